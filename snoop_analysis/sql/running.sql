-- SPDX-License-Identifier: Apache-2.0
-- The programs that made calls and were not seen to start: they ran before recording began. Needs
-- the macros of calls.sql.
SELECT
    container_cgroups.container_no,                  -- UINTEGER
    exe,                                             -- VARCHAR: path of the executable
    min(ts) AS first_seen,                           -- TIMESTAMPTZ
    max(ts) AS last_seen                             -- TIMESTAMPTZ
FROM selected
JOIN container_cgroups
    ON container_cgroups.session_no = selected.session_no
    AND container_cgroups.cgroup_id = selected.cgroup_id
SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
WHERE exe IS NOT NULL
GROUP BY ALL
HAVING NOT bool_or(coalesce(ret, 0) >= 0 AND is_exec(syscall))
ORDER BY ALL;
