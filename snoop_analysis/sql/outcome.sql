-- SPDX-License-Identifier: Apache-2.0
-- What people ask of a replay.

-- The files in the LRU at the end, which are all of them without a bound.
CREATE VIEW kept_files AS
SELECT files.*
FROM files
ANTI JOIN over_bound ON over_bound.container_no = files.container_no
UNION ALL
SELECT files.*
FROM files
JOIN kept
    ON kept.container_no = files.container_no
    AND kept.file_no = files.file_no;

-- One row per container. received = new + duplicate + excluded + empty.
CREATE TABLE stats AS
WITH
    distinct_files AS (
        SELECT container_no, count(*) AS files FROM files GROUP BY container_no
    ),
    kept_count AS (
        SELECT
            container_no,
            count(*) AS files,
            count(*) FILTER (hits > 0) AS found
        FROM kept_files
        GROUP BY container_no
    )
SELECT
    containers.container_no,                         -- UINTEGER
    containers.cgroup_id,                            -- UBIGINT
    containers.name,                                 -- VARCHAR
    coalesce(accesses + excluded + empty, 0) AS received,                -- BIGINT: events with a path
    coalesce(bounded.new, distinct_files.files, 0) AS new,               -- BIGINT
    coalesce(accesses, 0) - coalesce(bounded.new, distinct_files.files, 0) AS duplicate,  -- BIGINT
    coalesce(excluded, 0) AS excluded,               -- BIGINT
    coalesce(empty, 0) AS empty,                     -- BIGINT
    coalesce(bounded.evicted, 0) AS evicted,         -- BIGINT
    coalesce(kept_count.files, 0) AS unique_files,   -- BIGINT: files in the LRU at the end
    coalesce(kept_count.found, 0) AS found_files,    -- BIGINT: of these, found by at least one call
    coalesce(distinct_files.files, 0) AS distinct_files,                 -- BIGINT: files, evicted ones too
    coalesce(unreadable, 0) AS unreadable,           -- BIGINT: events whose path could not be read
    coalesce(unresolved_base, 0) AS unresolved_base, -- BIGINT: relative paths taken to start at `/`
    first_seen,                                      -- TIMESTAMPTZ
    last_seen                                        -- TIMESTAMPTZ
FROM containers
LEFT JOIN received ON received.container_no = containers.container_no
LEFT JOIN distinct_files ON distinct_files.container_no = containers.container_no
LEFT JOIN kept_count ON kept_count.container_no = containers.container_no
LEFT JOIN bounded ON bounded.container_no = containers.container_no;

-- Every event of the replay with what became of it.
CREATE VIEW results AS
SELECT
    selected.*,                                      -- the columns of the format, and session_no
    lookups.file,                                    -- VARCHAR: the name; '' if empty, null if unread
    CASE
        WHEN lookups.kind <> 'file' THEN lookups.kind
        WHEN over_bound.container_no IS NOT NULL THEN
            CASE WHEN new_events.seq IS NULL THEN 'duplicate' ELSE 'new' END
        WHEN files.first_access
            = selected.session_no * 18446744073709551616::HUGEINT + selected.seq THEN 'new'
        ELSE 'duplicate'
    END AS result                                    -- VARCHAR: new, duplicate, excluded, empty, unreadable, unknown_container
FROM selected
JOIN lookups
    ON selected.session_no = lookups.session_no
    AND selected.cgroup_id IS NOT DISTINCT FROM lookups.cgroup_id
    AND selected.path IS NOT DISTINCT FROM lookups.path
    AND selected.path_bytes IS NOT DISTINCT FROM lookups.path_bytes
    AND selected.base IS NOT DISTINCT FROM lookups.base
    AND selected.base_bytes IS NOT DISTINCT FROM lookups.base_bytes
    AND led_to(selected.path, selected.base, selected.base_bytes, selected.real_path)
        IS NOT DISTINCT FROM lookups.led
LEFT JOIN files
    ON files.container_no = lookups.container_no
    AND files.file = lookups.file
LEFT JOIN over_bound
    ON over_bound.container_no = lookups.container_no
LEFT JOIN new_events
    ON new_events.session_no = selected.session_no
    AND new_events.seq = selected.seq;

-- The containers as the report has them.
CREATE VIEW container_totals AS
SELECT
    containers.cgroup_path,                          -- VARCHAR
    received + unreadable AS events,                 -- BIGINT: rows
    stats.*                                          -- as above
FROM stats
JOIN containers ON containers.container_no = stats.container_no
ORDER BY stats.container_no;

-- One row: everything together.
CREATE VIEW totals AS
SELECT
    coalesce(sum(received.events) FILTER (container_no IS NOT NULL), 0)::BIGINT AS events,  -- BIGINT: rows of known containers
    coalesce(sum(received.events) FILTER (container_no IS NULL), 0)::BIGINT AS unknown,     -- BIGINT: rows of others
    coalesce(sum(unreadable), 0)::BIGINT AS unreadable,            -- BIGINT
    coalesce(sum(unresolved_base), 0)::BIGINT AS unresolved_base,  -- BIGINT
    (SELECT coalesce(sum(evicted), 0)::BIGINT FROM stats) AS evicted,  -- BIGINT
    epoch_us(min(first_seen) FILTER (isfinite(first_seen))) AS first_us,  -- BIGINT: microseconds since 1970
    epoch_us(max(last_seen) FILTER (isfinite(last_seen))) AS last_us      -- BIGINT
FROM received;
