-- SPDX-License-Identifier: Apache-2.0
-- Counts by keys. Events are grouped by what they hold first, so that names are made once.
-- The marks in comments stand for the keys asked for and for the view the events come from.
WITH
    grouped AS (
        SELECT
            /* event keys */
            session_no,
            cgroup_id,
            path,
            path_bytes,
            base,
            base_bytes,
            led_to(path, base, base_bytes, real_path) AS led,
            count(*) AS events,
            count(*) FILTER (ret >= 0) AS hits,
            count(*) FILTER (ret < 0) AS misses,
            min(ts) AS first_seen,
            max(ts) AS last_seen
        FROM /* source */
        GROUP BY ALL
    ),
    keyed AS (
        SELECT
            grouped.* EXCLUDE (session_no, cgroup_id, path, path_bytes, base, base_bytes, led),
            /* name keys */
            CASE WHEN kind = 'file' THEN (container_no, file) END AS accessed
        FROM grouped
        JOIN lookups
            ON grouped.session_no = lookups.session_no
            AND grouped.cgroup_id IS NOT DISTINCT FROM lookups.cgroup_id
            AND grouped.path IS NOT DISTINCT FROM lookups.path
            AND grouped.path_bytes IS NOT DISTINCT FROM lookups.path_bytes
            AND grouped.base IS NOT DISTINCT FROM lookups.base
            AND grouped.base_bytes IS NOT DISTINCT FROM lookups.base_bytes
            AND grouped.led IS NOT DISTINCT FROM lookups.led
    )
SELECT
    /* keys */,
    sum(events)::BIGINT AS events,                   -- BIGINT: rows
    count(DISTINCT accessed) AS files,               -- BIGINT: files, excluded ones not counted
    sum(hits)::BIGINT AS hits,                       -- BIGINT: calls that succeeded
    sum(misses)::BIGINT AS misses,                   -- BIGINT: calls that failed
    sum(misses) / nullif(sum(hits) + sum(misses), 0) AS miss_share,  -- DOUBLE: null where no call has a result
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ
FROM keyed
GROUP BY /* keys */
ORDER BY events DESC, /* keys */;
