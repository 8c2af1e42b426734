-- SPDX-License-Identifier: Apache-2.0
-- What each container touched at first, in order; the mark in a comment stands for how long.
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
            container_no,
            file,
            min(ts) AS first_seen,
            arg_min(syscall, seq) AS syscall,
            arg_min(coalesce(exe, comm), seq) AS program,
            bool_or(NOT only_looks(syscall)) AS used,
            bool_or(is_exec(syscall)) AS executed,
            count(*) AS events
        FROM looked_up
        WHERE kind = 'file' AND ret >= 0
        GROUP BY container_no, file
    )
SELECT
    chosen.name AS container,                        -- VARCHAR
    row_number() OVER (PARTITION BY chosen.container_no ORDER BY first_seen, file) AS position,  -- BIGINT: from 1
    epoch_us(first_seen - started) / 1e6 AS after,   -- DOUBLE: seconds after the first event of the container
    file,                                            -- VARCHAR: the name
    used,                                            -- BOOLEAN: opened, executed, ...; else only looked at
    executed,                                        -- BOOLEAN: it became a program
    syscall,                                         -- VARCHAR: the first call on it
    program,                                         -- VARCHAR: who made it
    events                                           -- BIGINT: calls on it that succeeded, in the whole recording
FROM touched
JOIN starts ON starts.container_no = touched.container_no
JOIN chosen ON chosen.container_no = touched.container_no
WHERE first_seen < started + to_microseconds((/* seconds */ * 1000000)::BIGINT)
ORDER BY chosen.container_no, position;
