-- SPDX-License-Identifier: Apache-2.0
-- The programs that made calls before a session saw one of them start: they ran before it began.
-- Needs the macros of calls.sql. Container runtimes are left out: they start outside of the
-- container's cgroup, and become the container's first program.
WITH
    programs AS (
        SELECT
            container_cgroups.container_no,
            exe,
            min(first_seen) AS first_seen,
            max(last_seen) AS last_seen,
            min(place) AS first_call,
            min(place) FILTER (coalesce(ret, 0) >= 0 AND is_exec(syscall)) AS first_start
        FROM selected_calls
        JOIN container_cgroups
            ON container_cgroups.session_no = selected_calls.session_no
            AND container_cgroups.cgroup_id = selected_calls.cgroup_id
        SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
        WHERE exe IS NOT NULL
            AND NOT regexp_matches(coalesce(comm, ''), '^(runc(:.*)?|crun|youki|conmon)$')
            AND NOT (comm IS NULL AND regexp_matches(exe, '^/memfd:|/(runc|crun|youki|conmon)$'))  -- in a summary
        GROUP BY selected_calls.session_no, container_cgroups.container_no, exe
    )
SELECT
    container_no,                                    -- UINTEGER
    exe,                                             -- VARCHAR: path of the executable
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ
FROM programs
WHERE first_start IS NULL OR first_call < first_start
GROUP BY container_no, exe
ORDER BY ALL;
