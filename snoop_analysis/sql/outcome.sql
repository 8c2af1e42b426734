-- SPDX-License-Identifier: Apache-2.0
-- What people ask of a replay.

-- is_plausible(ts TIMESTAMPTZ) -> BOOLEAN
CREATE MACRO is_plausible(ts) AS
    ts >= TIMESTAMPTZ '1971-01-01 00:00:00Z' AND ts < TIMESTAMPTZ '2200-01-01 00:00:00Z';

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

-- One row per container, then one for all of them, whose cgroup_id is null.
-- received = new + duplicate + excluded + empty.
CREATE TABLE stats AS
WITH
    first_accesses AS (
        SELECT container_no, count(*) AS files
        FROM files
        WHERE first_access >= 0
        GROUP BY container_no
    ),
    kept_count AS (
        SELECT
            container_no,
            count(*) AS files,
            count(*) FILTER (hits > 0) AS found
        FROM kept_files
        GROUP BY container_no
    ),
    counted AS (
        SELECT
            chosen.container_no,
            cgroup_id,
            name,
            coalesce(received.events, 0) AS events,
            coalesce(received.accesses, 0) AS accesses,
            coalesce(received.excluded, 0) AS excluded,
            coalesce(received.empty, 0) AS empty,
            coalesce(received.unreadable, 0) AS unreadable,
            coalesce(received.unresolved_base, 0) AS unresolved_base,
            coalesce(bounded.new, first_accesses.files, 0) + coalesce(carried_counts.new, 0) AS new,
            coalesce(bounded.evicted, 0) + coalesce(carried_counts.evicted, 0) AS evicted,
            coalesce(kept_count.files, 0) AS files,
            coalesce(kept_count.found, 0) AS found
        FROM chosen
        LEFT JOIN received ON received.container_no = chosen.container_no
        LEFT JOIN first_accesses ON first_accesses.container_no = chosen.container_no
        LEFT JOIN kept_count ON kept_count.container_no = chosen.container_no
        LEFT JOIN bounded ON bounded.container_no = chosen.container_no
        LEFT JOIN carried_counts ON carried_counts.container_no = chosen.container_no
    )
SELECT
    container_no,                                    -- UINTEGER: null in the row for all
    CASE WHEN grouping(container_no) = 0 THEN any_value(cgroup_id) END AS cgroup_id,  -- UBIGINT: null in the row for all
    CASE WHEN grouping(container_no) = 0 THEN any_value(name) ELSE 'all' END AS name,  -- VARCHAR
    coalesce(sum(accesses + excluded + empty), 0)::BIGINT AS received,  -- BIGINT: events with a path
    coalesce(sum(new), 0)::BIGINT AS new,                          -- BIGINT
    coalesce(sum(accesses - new), 0)::BIGINT AS duplicate,         -- BIGINT
    coalesce(sum(excluded), 0)::BIGINT AS excluded,                -- BIGINT
    coalesce(sum(empty), 0)::BIGINT AS empty,                      -- BIGINT
    coalesce(sum(evicted), 0)::BIGINT AS evicted,                  -- BIGINT: files put out by the bound
    coalesce(sum(files), 0)::BIGINT AS unique_files,               -- BIGINT: files in the LRU at the end
    coalesce(sum(found), 0)::BIGINT AS found_files,                -- BIGINT: of these, found by at least one call
    coalesce(sum(events), 0)::BIGINT AS events,                    -- BIGINT: rows, also those without a path
    coalesce(sum(unreadable), 0)::BIGINT AS unreadable,            -- BIGINT: events whose path could not be read
    coalesce(sum(unresolved_base), 0)::BIGINT AS unresolved_base   -- BIGINT: relative paths taken to start at `/`
FROM counted
GROUP BY GROUPING SETS ((container_no), ());

-- Every event of the replay with what became of it; those of removed segments are gone.
CREATE VIEW results AS
SELECT
    looked_up.*,                                     -- the columns of the format, and those of looked_up
    CASE
        WHEN kind <> 'file' THEN kind
        WHEN over_bound.container_no IS NOT NULL THEN
            CASE
                WHEN EXISTS (
                    FROM new_events
                    WHERE new_events.session_no = looked_up.session_no
                        AND new_events.seq = looked_up.seq
                        AND new_events.container_no = lookup_files.container_no
                        AND new_events.file_no = lookup_files.file_no
                ) THEN 'new'
                ELSE 'duplicate'
            END
        WHEN files.first_access = event_place(looked_up.session_no, looked_up.seq) THEN 'new'
        ELSE 'duplicate'
    END AS result                                    -- VARCHAR: new, duplicate, excluded, empty, unreadable, unknown_container
FROM looked_up
LEFT JOIN lookup_files ON lookup_files.lookup_no = looked_up.lookup_no
LEFT JOIN files
    ON files.container_no = lookup_files.container_no
    AND files.file_no = lookup_files.file_no
LEFT JOIN over_bound
    ON over_bound.container_no = lookup_files.container_no;

-- The containers as the report has them.
CREATE VIEW container_totals AS
SELECT
    chosen.cgroup_path,                              -- VARCHAR
    stats.*                                          -- as above
FROM stats
JOIN chosen ON chosen.container_no = stats.container_no
ORDER BY stats.container_no;

-- One row: what the report has besides.
CREATE VIEW totals AS
SELECT
    coalesce(sum(events) FILTER (container_no IS NOT NULL), 0)::BIGINT AS events,-- BIGINT: rows of known containers
    coalesce(sum(events) FILTER (container_no IS NULL), 0)::BIGINT AS unknown,-- BIGINT: rows of others
    coalesce(sum(unreadable), 0)::BIGINT AS unreadable,            -- BIGINT
    coalesce(sum(unresolved_base), 0)::BIGINT AS unresolved_base,  -- BIGINT
    (SELECT coalesce(sum(evicted), 0)::BIGINT FROM stats WHERE container_no IS NOT NULL) AS evicted  -- BIGINT
FROM received;

-- One row: the time the events cover. Times outside 1971 to 2199 are left out: no clock that was
-- set says so.
CREATE TABLE covered AS
WITH
    said AS (
        SELECT
            epoch_us(min(ts) FILTER (is_plausible(ts))) AS first_us,
            epoch_us(max(ts) FILTER (is_plausible(ts))) AS last_us,
            count(ts) FILTER (NOT is_plausible(ts)) AS implausible,
            count(*) FILTER (ts IS NULL AND may_be_outside(ts, ts)) AS undated
        FROM selected
        UNION ALL
        SELECT NULL, NULL, 0, coalesce(sum(count), 0)::BIGINT
        FROM selected_summaries
        WHERE may_be_outside(first_seen, last_seen)
        UNION ALL
        SELECT * FROM carried_times
    )
SELECT
    min(first_us) AS first_us,                       -- BIGINT: microseconds since 1970; null if unknown
    max(last_us) AS last_us,                         -- BIGINT
    sum(implausible)::BIGINT AS implausible,         -- BIGINT: events with another time
    sum(undated)::BIGINT AS undated                  -- BIGINT: events that may be outside of the time asked for
FROM said;

-- The files with more about each; reads the events again.
CREATE VIEW file_details AS
WITH
    grouped AS (
        SELECT
            lookup_no,
            syscall,
            min(ts) AS first_seen,
            max(ts) AS last_seen
        FROM looked_up
        WHERE kind = 'file'
        GROUP BY ALL
        UNION ALL
        SELECT lookup_no, syscall, first_seen, last_seen
        FROM looked_up_summaries
        WHERE kind = 'file'
    ),
    uses AS (
        SELECT
            container_no,
            file_no,
            min(first_seen) AS first_seen,
            max(last_seen) AS last_seen,
            list_sort(list(DISTINCT syscall)) AS syscalls
        FROM grouped
        JOIN lookup_files ON lookup_files.lookup_no = grouped.lookup_no
        GROUP BY container_no, file_no
    )
SELECT
    chosen.name AS container,                        -- VARCHAR
    chosen.cgroup_id,                                -- UBIGINT
    kept_files.file AS path,                         -- VARCHAR: the name, see sql/normalise.sql
    first_seen,                                      -- TIMESTAMPTZ
    last_seen,                                       -- TIMESTAMPTZ
    events,                                          -- BIGINT: new and duplicate events
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    syscalls                                         -- VARCHAR[]: sorted
FROM kept_files
JOIN chosen ON chosen.container_no = kept_files.container_no
LEFT JOIN uses
    ON uses.container_no = kept_files.container_no
    AND uses.file_no = kept_files.file_no
ORDER BY kept_files.container_no, kept_files.file;
