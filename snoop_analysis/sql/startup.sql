-- SPDX-License-Identifier: Apache-2.0
-- What each container touched at first, in order; the mark in a comment stands for how long. What
-- comes later counts for nothing.
-- Needs the macros of calls.sql.
WITH
    starts AS (
        SELECT container_no, min(ts) AS started
        FROM looked_up
        WHERE container_no IS NOT NULL
        GROUP BY container_no
    ),
    touched AS (
        SELECT
            looked_up.container_no,
            file,
            min(ts - started) AS after,
            min(ts - started) FILTER (NOT only_looks(syscall)) AS used_after,
            arg_min(syscall, seq) AS syscall,
            arg_min(coalesce(exe, comm), seq) AS program,
            bool_or(is_exec(syscall)) AS executed,
            count(*) AS events
        FROM looked_up
        JOIN starts ON starts.container_no = looked_up.container_no
        WHERE kind = 'file'
            AND ret >= 0
            AND ts < started + to_microseconds((/* seconds */ * 1000000)::BIGINT)
        GROUP BY looked_up.container_no, file
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
    events                                           -- BIGINT: calls on it that succeeded
FROM touched
JOIN chosen ON chosen.container_no = touched.container_no
ORDER BY chosen.container_no, position;
