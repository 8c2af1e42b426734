-- SPDX-License-Identifier: Apache-2.0
-- What each container touched at first, in order; the mark in a comment stands for how long. What
-- comes later counts for nothing.
-- Needs the macros of calls.sql.
WITH
    starts AS (
        SELECT container_no, min(first_seen) AS started
        FROM looked_up_calls
        WHERE container_no IS NOT NULL
        GROUP BY container_no
    ),
    begun AS (
        SELECT
            looked_up_calls.*,
            started,
            started + to_microseconds((/* seconds */ * 1000000)::BIGINT) AS until
        FROM looked_up_calls
        JOIN starts ON starts.container_no = looked_up_calls.container_no
        WHERE kind = 'file' AND ret >= 0
    ),
    touched AS (
        SELECT
            container_no,
            file,
            min(first_seen - started) AS after,
            min(first_seen - started) FILTER (NOT only_looks(syscall)) AS used_after,
            arg_min(syscall, place) AS syscall,
            arg_min(coalesce(exe, comm), place) AS program,
            bool_or(is_exec(syscall)) AS executed,
            sum(CASE WHEN last_seen < until THEN count ELSE 1 END)::BIGINT AS events
        FROM begun
        WHERE first_seen < until
        GROUP BY container_no, file
    )
SELECT
    chosen.name AS container,                        -- VARCHAR
    row_number() OVER (PARTITION BY chosen.container_no ORDER BY after, file) AS position,  -- BIGINT: from 1
    epoch_us(after) / 1e6 AS after,                  -- DOUBLE: seconds after the first event of the container
    epoch_us(used_after) / 1e6 AS used_after,        -- DOUBLE: when it was opened, executed, ...; null if only looked at
    file,                                            -- VARCHAR: the name
    executed,                                        -- BOOLEAN: it became a program
    syscall,                                         -- VARCHAR: the first call on it
    program,                                         -- VARCHAR: who made it
    events                                           -- BIGINT: calls on it that succeeded; at least so many, where a summary tells of them
FROM touched
JOIN chosen ON chosen.container_no = touched.container_no
ORDER BY chosen.container_no, position;
