-- SPDX-License-Identifier: Apache-2.0
-- The calls by keys that an event has by itself, and by name. The marks in comments stand for
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
    name_key(source_rows) AS name_key,
    count(*) AS events,
    count(*) FILTER (ret >= 0) AS hits,
    count(*) FILTER (ret < 0) AS misses,
    min(ts) AS first_seen,
    max(ts) AS last_seen
FROM /* source */ AS source_rows
GROUP BY ALL
UNION ALL
SELECT
    /* event keys */
    name_key(summarized_calls) AS name_key,
    sum(count) AS events,
    coalesce(sum(count) FILTER (ret >= 0), 0) AS hits,
    coalesce(sum(count) FILTER (ret < 0), 0) AS misses,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM summarized_calls
GROUP BY ALL;
