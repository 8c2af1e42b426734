-- SPDX-License-Identifier: Apache-2.0
-- The calls by keys that an event has by itself, and by lookup. The marks in comments stand for
-- these keys, and for the view the events come from.
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
    )
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
GROUP BY ALL;
