-- SPDX-License-Identifier: Apache-2.0
-- The programs that ran before a session began: processes in them made calls, and neither had been
-- seen to start a program before that, nor had been forked by one that had. Needs the macros of
-- calls.sql.
--
-- What snoop-capture run recorded was started by it. Container runtimes are left out: they start
-- outside of the container's cgroup, and become the container's first program. Of a call without a
-- pid, as a summary has it, the program counts as started once any process was seen to start it.
WITH RECURSIVE
    programs AS (
        SELECT
            selected_calls.session_no,
            container_cgroups.container_no,
            pid,
            exe,
            arg_min(ppid, place) AS ppid,
            min(selected_calls.first_seen) AS first_seen,
            max(selected_calls.last_seen) AS last_seen,
            min(place) AS first_call,
            min(place) FILTER (coalesce(ret, 0) >= 0 AND is_exec(syscall)) AS first_start
        FROM selected_calls
        JOIN container_cgroups
            ON container_cgroups.session_no = selected_calls.session_no
            AND container_cgroups.cgroup_id = selected_calls.cgroup_id
        SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
        ANTI JOIN sessions
            ON sessions.session_no = selected_calls.session_no
            AND sessions.command IS NOT NULL
        WHERE NOT is_runtime(comm, exe)
        GROUP BY selected_calls.session_no, container_cgroups.container_no, pid, exe
    ),
    processes AS (
        SELECT
            session_no,
            pid,
            arg_min(ppid, first_call) AS ppid,
            min(first_call) AS first_call,
            min(first_start) AS first_start
        FROM programs
        WHERE pid IS NOT NULL
        GROUP BY session_no, pid
    ),
    known_since AS (
        SELECT session_no, pid, first_start AS since
        FROM processes
        WHERE first_start IS NOT NULL
        UNION
        SELECT child.session_no, child.pid, child.first_call
        FROM known_since
        JOIN processes AS child
            ON child.session_no = known_since.session_no
            AND child.ppid = known_since.pid
            AND child.first_call > known_since.since
    ),
    known_processes AS (
        SELECT session_no, pid, min(since) AS since
        FROM known_since
        GROUP BY session_no, pid
    ),
    known_programs AS (
        SELECT session_no, container_no, exe, min(first_start) AS since
        FROM programs
        WHERE pid IS NULL
        GROUP BY session_no, container_no, exe
    )
SELECT
    container_no,                                    -- UINTEGER
    exe,                                             -- VARCHAR: path of the executable
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ
FROM programs
LEFT JOIN known_processes USING (session_no, pid)
LEFT JOIN known_programs USING (session_no, container_no, exe)
WHERE exe IS NOT NULL
    AND coalesce(first_call < least(known_processes.since, known_programs.since), TRUE)
GROUP BY container_no, exe
ORDER BY ALL;
