-- SPDX-License-Identifier: Apache-2.0
-- The files of a replay.
SELECT
    containers.name AS container,                    -- VARCHAR
    events,                                          -- BIGINT: new and duplicate events
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    file                                             -- VARCHAR: the name
FROM kept_files
JOIN containers ON containers.container_no = kept_files.container_no
ORDER BY kept_files.container_no, file;
