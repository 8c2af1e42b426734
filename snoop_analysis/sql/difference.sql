-- SPDX-License-Identifier: Apache-2.0
-- The files of this replay and of another one; the marks in comments stand for used_files.sql and
-- for the table of the other's.
WITH
    own_files AS (
        /* used_files */
    ),
    other_files AS (
        FROM /* other */
    )
SELECT
    CASE
        WHEN other_files.file IS NULL THEN 'only in A'
        WHEN own_files.file IS NULL THEN 'only in B'
        ELSE 'both'
    END AS used,                                     -- VARCHAR
    coalesce(own_files.file, other_files.file) AS file,  -- VARCHAR: the name
    coalesce(own_files.events, 0) AS events_a,       -- BIGINT
    coalesce(other_files.events, 0) AS events_b,     -- BIGINT
    coalesce(own_files.hits, 0) AS hits_a,           -- BIGINT: calls that succeeded
    coalesce(other_files.hits, 0) AS hits_b,         -- BIGINT
    own_files.images AS images_a,                    -- VARCHAR: images that used it; null where unknown
    other_files.images AS images_b                   -- VARCHAR
FROM own_files
FULL JOIN other_files ON other_files.file = own_files.file
ORDER BY used DESC, file;
