-- SPDX-License-Identifier: Apache-2.0
-- Counts by keys. The marks in comments stand for the keys asked for, and for what is counted: the
-- calls by name, and by the keys that are not made of names (calls_by_key.sql). So keys that are
-- made of names are made once for each.
WITH
    grouped AS (
        /* grouped */
    ),
    named AS (
        SELECT
            name_key(lookups) AS name_key,
            /* name keys */
            CASE WHEN kind = 'file' THEN lookups.file END AS accessed
        FROM lookups
    ),
    keyed AS (
        SELECT grouped.*, named.* EXCLUDE (name_key)
        FROM grouped
        JOIN named ON named.name_key = grouped.name_key
    )
SELECT
    /* keys */,
    sum(events)::BIGINT AS events,                   -- BIGINT: rows
    count(DISTINCT accessed) AS files,               -- BIGINT: distinct names, excluded ones not counted
    sum(hits)::BIGINT AS hits,                       -- BIGINT: calls that succeeded
    sum(misses)::BIGINT AS misses,                   -- BIGINT: calls that failed
    sum(misses) / nullif(sum(hits) + sum(misses), 0) AS miss_share,  -- DOUBLE: null where no call has a result
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ
FROM keyed
GROUP BY /* keys */
ORDER BY events DESC, /* keys */;
