-- SPDX-License-Identifier: Apache-2.0
-- Failed calls by program, file and error; the mark in a comment stands for how many rows.
SELECT
    coalesce(exe, comm) AS program,                  -- VARCHAR: null where unknown
    file,                                            -- VARCHAR: the name
    errno_name(ret) AS error,                        -- VARCHAR: ENOENT, …
    count(*) AS calls                                -- BIGINT
FROM looked_up
WHERE kind = 'file' AND ret < 0
GROUP BY ALL
ORDER BY calls DESC, file, program, error
LIMIT /* rows */;
