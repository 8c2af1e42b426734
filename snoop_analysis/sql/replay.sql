-- SPDX-License-Identifier: Apache-2.0
-- Normalise, exclude and count, without a bound on the number of files.
-- Reads `selected` (the rows this replay is about), `selected_summaries` (likewise of summaries) and
-- `container_cgroups`; needs the macros of normalise.sql and calls.sql, and is_excluded(file).
-- Everything here is as large as the number of distinct names, not of events. The mark in a comment
-- stands for grouped_events, or grouped_calls where there is a summary.

-- event_place(session_no UINTEGER, seq UBIGINT) -> HUGEINT: where an event stands in replay order.
CREATE MACRO event_place(session_no, seq) AS
    session_no * 36893488147419103232::HUGEINT + 18446744073709551616::HUGEINT + seq;

-- summary_place(session_no UINTEGER, ts TIMESTAMPTZ) -> HUGEINT: likewise of what a summary tells,
-- which was before all events of its session.
CREATE MACRO summary_place(session_no, ts) AS
    session_no * 36893488147419103232::HUGEINT + CASE WHEN epoch_us(ts) < 0 THEN 0 ELSE epoch_us(ts) END;

-- The events by what names are made of.
CREATE VIEW grouped_events AS
SELECT
    session_no,
    cgroup_id,
    path,
    base,
    rest_of_name,
    count(*) AS events,
    count(*) FILTER (ret >= 0) AS hits,
    count(ret) AS answers,
    min(seq) AS first_seq,
    max(seq) AS last_seq,
    min(ts) AS first_ts,
    max(ts) AS last_ts,
    NULL::TIMESTAMPTZ AS summary_from,               -- of a summary alone, as the next
    NULL::TIMESTAMPTZ AS summary_to
FROM selected
GROUP BY ALL;

-- And, where there are any, the accesses that summaries tell of.
CREATE VIEW grouped_calls AS
WITH
    grouped AS (
        SELECT *
        FROM grouped_events
        UNION ALL BY NAME
        SELECT
            session_no,
            cgroup_id,
            path,
            base,
            rest_of_name,
            sum(count) AS events,
            coalesce(sum(count) FILTER (ret >= 0), 0) AS hits,
            coalesce(sum(count) FILTER (ret IS NOT NULL), 0) AS answers,
            min(first_seen) AS first_ts,
            max(last_seen) AS last_ts,
            min(coalesce(first_seen, to_timestamp(0))) AS summary_from,
            max(coalesce(last_seen, to_timestamp(0))) AS summary_to
        FROM selected_summaries
        GROUP BY ALL
    )
SELECT
    session_no,
    cgroup_id,
    path,
    base,
    rest_of_name,
    sum(events)::BIGINT AS events,
    sum(hits)::BIGINT AS hits,
    sum(answers)::BIGINT AS answers,
    min(first_seq) AS first_seq,
    max(last_seq) AS last_seq,
    min(first_ts) AS first_ts,
    max(last_ts) AS last_ts,
    min(summary_from) AS summary_from,
    max(summary_to) AS summary_to
FROM grouped
GROUP BY ALL;

-- name_key(row) -> UBIGINT: what rows of one cgroup and name share, and no others: where two names
-- of the capture have one hash, exact_name_key.sql takes its place.
--   row     with session_no, cgroup_id, path, base and rest_of_name, of the types that rows have:
--           those of another width have another hash
-- DuckDB makes the hash of a column alone once for each value in a dictionary of the file.
CREATE MACRO name_key(row) AS hash(
    hash(row.path), hash(row.base), hash(row.rest_of_name), row.cgroup_id, row.session_no
);

-- One row per container and distinct (path, base): names are normalised here, once.
CREATE TABLE lookups AS
WITH
    apart AS (
        SELECT
            *,
            rest_path_bytes(rest_of_name) AS path_bytes,
            rest_base_bytes(rest_of_name) AS base_bytes,
            rest_led(rest_of_name) AS led,
            rest_none(rest_of_name) AS none,
            rest_below(rest_of_name) AS is_below
        FROM /* grouped */
    ),
    named AS (
        SELECT
            *,
            exact_text(path, path_bytes) AS exact_path,
            nullif(exact_text(base, base_bytes), '') AS exact_base
        FROM apart
    )
SELECT
    named.session_no,                                -- UINTEGER: order of the session in the capture
    named.cgroup_id,                                 -- UBIGINT
    container_no,                                    -- UINTEGER: null where the cgroup is no known container
    container_cgroups.name AS container,             -- VARCHAR: its name
    path,                                            -- VARCHAR, and the next: what the rows hold
    base,                                            -- VARCHAR
    rest_of_name,                                    -- VARCHAR: see calls.sql
    CASE
        WHEN none THEN CASE WHEN exact_path IS NOT NULL THEN '' END
        WHEN is_below THEN below(exact_path, exact_base)
        ELSE coalesce(absolute(led, NULL), absolute(exact_path, exact_base))
    END AS file,  -- VARCHAR: the name; '' if empty, null if unread
    CASE
        WHEN container_no IS NULL THEN 'unknown_container'
        WHEN none OR file = '' THEN 'empty'
        WHEN file IS NULL THEN 'unreadable'
        WHEN is_excluded(file) THEN 'excluded'
        ELSE 'file'
    END AS kind,                                     -- VARCHAR: the result of its events; `file`: new or duplicate
    NOT none AND led IS NULL AND exact_base IS NULL AND is_relative(exact_path) AS unresolved_base,  -- BOOLEAN
    events,                                          -- BIGINT: rows
    hits,                                            -- BIGINT: rows whose call succeeded
    answers - hits AS misses,                        -- BIGINT: rows whose call failed
    first_ts,                                        -- TIMESTAMPTZ: of the first of them
    last_ts,                                         -- TIMESTAMPTZ
    coalesce(summary_place(named.session_no, summary_from), event_place(named.session_no, first_seq)) AS first_access,  -- HUGEINT: the first of them in replay order
    coalesce(event_place(named.session_no, last_seq), summary_place(named.session_no, summary_to)) AS last_access  -- HUGEINT: the last of them
FROM named
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = named.session_no
    AND container_cgroups.cgroup_id = named.cgroup_id;

-- with_lookups(source VARCHAR): the rows of a table or view with the lookup each belongs to.
CREATE MACRO with_lookups(source) AS TABLE
SELECT
    source_rows.*,                                   -- the columns of the format, session_no and rest_of_name
    lookups.rowid AS lookup_no,                      -- BIGINT: row of lookups, as the next three
    container_no,                                    -- UINTEGER
    lookups.file,                                    -- VARCHAR: the name; '' if empty, null if unread
    kind                                             -- VARCHAR
FROM query_table(source) AS source_rows
JOIN lookups ON name_key(lookups) = name_key(source_rows);

-- The rows of this replay.
CREATE VIEW looked_up AS FROM with_lookups('selected');

-- What summaries tell.
CREATE VIEW looked_up_summaries AS FROM with_lookups('selected_summaries');

-- Both, each with how often it was.
CREATE VIEW selected_calls AS
SELECT
    session_no,                                      -- UINTEGER
    cgroup_id,                                       -- UBIGINT, and the next: as the columns of the format
    pid,                                             -- null in a summary, as the next
    ppid,
    exe,
    comm,
    syscall,
    flags,
    ret,
    note,
    path,
    path_role,
    base,
    real_path,
    path_bytes,
    base_bytes,
    real_path_bytes,
    dev,                                             -- null in a summary, as the next
    ino,
    rest_of_name,
    1::BIGINT AS count,                              -- BIGINT: calls
    event_place(session_no, seq) AS place,           -- HUGEINT: the first of them in replay order
    ts AS first_seen,                                -- TIMESTAMPTZ
    ts AS last_seen                                  -- TIMESTAMPTZ
FROM selected
UNION ALL BY NAME
SELECT * REPLACE (count::BIGINT AS count), summary_place(session_no, first_seen) AS place
FROM selected_summaries;

-- What files are called, by the numbers that rows have which leave the name to an earlier one: that
-- may be none of this replay's. Of all names that a file has; more than one call may have used.
CREATE VIEW file_names AS
SELECT
    session_no,
    cgroup_id,
    dev,
    ino,
    list(DISTINCT exact_text(real_path, real_path_bytes)) AS names
FROM rows
WHERE real_path <> ''
    AND ino IS NOT NULL
    AND coalesce(note, '') <> 'deleted'
GROUP BY ALL;

CREATE VIEW looked_up_calls AS FROM with_lookups('selected_calls');

-- One row per container and file that is neither excluded nor empty.
CREATE TABLE files AS
WITH
    used AS (
        SELECT container_no, file, events, hits, misses, first_access, last_access
        FROM lookups
        WHERE kind = 'file'
        UNION ALL
        SELECT container_no, file, events, hits, misses, age, age
        FROM carried_files
    ),
    merged AS (
        SELECT
            container_no,
            file,
            sum(events)::BIGINT AS events,
            sum(hits)::BIGINT AS hits,
            sum(misses)::BIGINT AS misses,
            min(first_access) AS first_access,
            max(last_access) AS last_access
        FROM used
        GROUP BY container_no, file
    )
SELECT
    container_no,                                    -- UINTEGER
    row_number() OVER (PARTITION BY container_no) - 1 AS file_no,  -- BIGINT: counts from 0 within the container
    file,                                            -- VARCHAR: the name
    events,                                          -- BIGINT
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    first_access,                                    -- HUGEINT: the first access in replay order; below zero if carried over
    last_access                                      -- HUGEINT: the last one
FROM merged;

-- The file each lookup led to.
CREATE VIEW lookup_files AS
SELECT
    lookups.rowid AS lookup_no,                      -- BIGINT: row of lookups
    files.container_no,                              -- UINTEGER
    file_no                                          -- BIGINT: see files
FROM lookups
JOIN files
    ON files.container_no = lookups.container_no
    AND files.file = lookups.file
WHERE kind = 'file';

-- What became of the events of each container, before any bound.
CREATE TABLE received AS
WITH
    counted AS (
        SELECT
            container_no,
            sum(events) AS events,
            sum(events) FILTER (kind = 'file') AS accesses,
            sum(events) FILTER (kind = 'excluded') AS excluded,
            sum(events) FILTER (kind = 'empty') AS empty,
            sum(events) FILTER (kind = 'unreadable') AS unreadable,
            sum(events) FILTER (unresolved_base) AS unresolved_base
        FROM lookups
        GROUP BY container_no
        UNION ALL
        SELECT * EXCLUDE (new, evicted)
        FROM carried_counts
    )
SELECT
    container_no,                                    -- UINTEGER: null for all unknown containers together
    sum(events)::BIGINT AS events,                   -- BIGINT: rows
    coalesce(sum(accesses), 0)::BIGINT AS accesses,                -- BIGINT: new or duplicate
    coalesce(sum(excluded), 0)::BIGINT AS excluded,                -- BIGINT
    coalesce(sum(empty), 0)::BIGINT AS empty,                      -- BIGINT
    coalesce(sum(unreadable), 0)::BIGINT AS unreadable,            -- BIGINT
    coalesce(sum(unresolved_base), 0)::BIGINT AS unresolved_base   -- BIGINT: also counted above
FROM counted
GROUP BY container_no;
