-- SPDX-License-Identifier: Apache-2.0
-- In which working directories programs were started. Reads `selected_calls`, `container_cgroups`
-- and `counted`; needs the macros of normalise.sql.
--
-- A row tells it where its path begins there: that of execveat may begin at a descriptor. A script
-- and its interpreter are two rows of one call, one after the other, but in a summary.
WITH
    starts AS (
        SELECT
            selected_calls.session_no,
            pid,
            place,
            syscall = 'exec_interpreter' AS is_interpreter,
            exact_text(path, path_bytes) AS path,
            nullif(exact_text(base, base_bytes), '') AS base,
            exact_text(real_path, real_path_bytes) AS real_path,
            CASE WHEN syscall <> 'execveat' THEN nullif(exact_text(base, base_bytes), '') END AS directory
        FROM selected_calls
        JOIN container_cgroups
            ON container_cgroups.session_no = selected_calls.session_no
            AND container_cgroups.cgroup_id = selected_calls.cgroup_id
        SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
        WHERE syscall IN ('execve', 'execveat', 'exec_interpreter')
            AND coalesce(ret, 0) >= 0
    )
SELECT DISTINCT
    path,                                            -- VARCHAR: exact text, as the next
    base,                                            -- VARCHAR: what it begins at; null if unknown or absolute
    real_path,                                       -- VARCHAR: what it led to; null if unknown
    coalesce(
        directory,
        CASE
            WHEN pid IS NULL THEN NULL
            WHEN is_interpreter AND NOT lag(is_interpreter) OVER by_process
                THEN lag(directory) OVER by_process
            WHEN NOT is_interpreter AND lead(is_interpreter) OVER by_process
                THEN lead(directory) OVER by_process
        END
    ) AS directory                                   -- VARCHAR: the working directory; null if unknown
FROM starts
WINDOW by_process AS (PARTITION BY session_no, pid ORDER BY place)
ORDER BY ALL;
