-- SPDX-License-Identifier: Apache-2.0
-- The programs that made calls and were not seen to start: they ran before recording began. Needs
-- the macros of calls.sql. Container runtimes are left out: they start outside of the container's
-- cgroup, and become the container's first program.
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
    AND NOT regexp_matches(coalesce(comm, ''), '^(runc:|(crun|youki|conmon)$)')
GROUP BY ALL
HAVING NOT bool_or(coalesce(ret, 0) >= 0 AND is_exec(syscall))
ORDER BY ALL;
