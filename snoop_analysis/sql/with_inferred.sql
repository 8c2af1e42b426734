-- SPDX-License-Identifier: Apache-2.0
-- The files of a replay, and those that the kernel opened by itself: they have no events.
SELECT * FROM file_details
UNION ALL BY NAME
SELECT
    container,                                       -- VARCHAR
    cgroup_id,                                       -- UBIGINT
    path,                                            -- VARCHAR: the name
    0 AS events,                                     -- BIGINT
    0 AS hits,                                       -- BIGINT
    0 AS misses,                                     -- BIGINT
    syscalls                                         -- VARCHAR[]: inferred
FROM inferred
ORDER BY container, path;
