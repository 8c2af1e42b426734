-- SPDX-License-Identifier: Apache-2.0
-- Failed calls by directory and error, in the directories with most of them; the mark in a comment
-- stands for how many directories.
WITH
    failed AS (
        SELECT
            coalesce(nullif(regexp_replace(file, '/[^/]*$', ''), ''), '/') AS directory,
            errno_name(ret) AS error,
            sum(count)::BIGINT AS calls
        FROM looked_up_calls
        WHERE kind = 'file' AND ret < 0
        GROUP BY ALL
    ),
    worst AS (
        SELECT directory, sum(calls) AS in_all
        FROM failed
        GROUP BY directory
        ORDER BY in_all DESC, directory
        LIMIT /* directories */
    )
SELECT
    directory,                                       -- VARCHAR: the name
    error,                                           -- VARCHAR: ENOENT, …
    calls                                            -- BIGINT
FROM failed
JOIN worst USING (directory)
ORDER BY in_all DESC, directory, calls DESC, error;
