-- SPDX-License-Identifier: Apache-2.0
-- The directories that hold most of the files.
SELECT
    coalesce(nullif(regexp_replace(file, '/[^/]*$', ''), ''), '/') AS directory,  -- VARCHAR
    count(DISTINCT file) AS files,                   -- BIGINT: distinct names directly in it
    sum(events)::BIGINT AS events                    -- BIGINT: events on them
FROM kept_files
GROUP BY directory
ORDER BY files DESC, directory
LIMIT 5;
