-- SPDX-License-Identifier: Apache-2.0
-- Counts by keys. Events are grouped by lookup first, so that keys are made once for each.
-- The marks in comments stand for the keys asked for and for the view the events come from.
WITH
    -- What summaries tell, and as null what they do not.
    summarized_calls AS (
        SELECT
            *,
            NULL::UINTEGER AS pid,
            NULL::UINTEGER AS uid,
            NULL::TIMESTAMPTZ AS ts,
            nullif(kind, 'file') AS result
        FROM looked_up_summaries
    ),
    grouped AS (
        SELECT
            /* event keys */
            lookup_no,
            count(*) AS events,
            count(*) FILTER (ret >= 0) AS hits,
            count(*) FILTER (ret < 0) AS misses,
            min(ts) AS first_seen,
            max(ts) AS last_seen
        FROM /* source */
        GROUP BY ALL
        UNION ALL
        SELECT
            /* event keys */
            lookup_no,
            sum(count) AS events,
            coalesce(sum(count) FILTER (ret >= 0), 0) AS hits,
            coalesce(sum(count) FILTER (ret < 0), 0) AS misses,
            min(first_seen) AS first_seen,
            max(last_seen) AS last_seen
        FROM summarized_calls
        GROUP BY ALL
    ),
    named AS (
        SELECT
            lookups.rowid AS lookup_no,
            /* name keys */
            CASE WHEN kind = 'file' THEN lookups.file END AS accessed
        FROM lookups
    ),
    keyed AS (
        SELECT grouped.*, named.* EXCLUDE (lookup_no)
        FROM grouped
        JOIN named ON named.lookup_no = grouped.lookup_no
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
