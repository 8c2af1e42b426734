-- SPDX-License-Identifier: Apache-2.0
-- The files directly in each directory; the mark in a comment stands for how many levels to keep
-- apart.
WITH
    placed AS (
        SELECT
            string_split(file, '/')[2:-2] AS directories,
            hits
        FROM kept_files
    )
SELECT
    directories[:/* levels */] AS directory,         -- VARCHAR[]: names of the directories on the way
    count(*) AS files,                               -- BIGINT: distinct files, of all containers
    count(*) FILTER (hits > 0) AS found              -- BIGINT: of these, found by at least one call
FROM placed
GROUP BY directory
ORDER BY directory;
