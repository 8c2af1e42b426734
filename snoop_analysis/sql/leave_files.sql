-- SPDX-License-Identifier: Apache-2.0
-- The files, for the next replay.
WITH
    placed AS (
        SELECT
            files.*,
            CASE WHEN over_bound.container_no IS NULL THEN last_access ELSE kept.place END AS place
        FROM files
        LEFT JOIN over_bound ON over_bound.container_no = files.container_no
        LEFT JOIN kept
            ON kept.container_no = files.container_no
            AND kept.file_no = files.file_no
    )
SELECT
    chosen.identity,                                 -- VARCHAR: see containers
    file,                                            -- VARCHAR: the name
    events,                                          -- BIGINT
    hits,                                            -- BIGINT
    misses,                                          -- BIGINT
    CASE WHEN place IS NOT NULL THEN
        -row_number() OVER (PARTITION BY placed.container_no ORDER BY place DESC NULLS LAST)
    END AS age                                       -- BIGINT: -1 is the most recent; null if evicted
FROM placed
JOIN chosen ON chosen.container_no = placed.container_no;
