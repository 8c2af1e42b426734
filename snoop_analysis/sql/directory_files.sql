-- SPDX-License-Identifier: Apache-2.0
-- The files directly in each directory; the mark in a comment stands for how many levels to keep
-- apart.
WITH
    -- A name of several containers is one.
    placed AS (
        SELECT
            string_split(file, '/')[2:-2] AS directories,
            sum(hits) AS hits
        FROM kept_files
        GROUP BY file
    )
SELECT
    directories[:/* levels */] AS directory,         -- VARCHAR[]: names of the directories on the way
    count(*) AS files,                               -- BIGINT: distinct names
    count(*) FILTER (hits > 0) AS found              -- BIGINT: of these, found by at least one call
FROM placed
GROUP BY directory
ORDER BY directory;
