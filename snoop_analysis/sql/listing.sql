-- SPDX-License-Identifier: Apache-2.0
-- The files of a replay.
SELECT
    chosen.name AS container,                    -- VARCHAR
    events,                                          -- BIGINT: new and duplicate events
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    file                                             -- VARCHAR: the name
FROM kept_files
JOIN chosen ON chosen.container_no = kept_files.container_no
ORDER BY kept_files.container_no, file;
