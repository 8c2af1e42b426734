-- SPDX-License-Identifier: Apache-2.0
-- Normalise, exclude and count, without a bound on the number of files.
-- Reads `selected` (the rows this replay is about) and `container_cgroups`; needs the macros of
-- normalise.sql and calls.sql, and is_excluded(file). Everything here is as large as the number of distinct
-- names, not of events.

-- session_place(session_no UINTEGER) -> HUGEINT: where a session begins in replay order.
CREATE MACRO session_place(session_no) AS session_no * 18446744073709551616::HUGEINT;

-- One row per container and distinct (path, base): names are normalised here, once.
CREATE TABLE lookups AS
WITH
    grouped AS (
        SELECT
            session_no,
            cgroup_id,
            path,
            path_bytes,
            base,
            base_bytes,
            led_to(path, base, base_bytes, real_path) AS led,
            passed_none(path, path_bytes, note, ret, syscall) AS none,
            count(*) AS events,
            count(*) FILTER (ret >= 0) AS hits,
            count(ret) AS answers,
            min(seq) AS first_seq,
            max(seq) AS last_seq
        FROM selected
        GROUP BY ALL
    ),
    named AS (
        SELECT
            *,
            exact_text(path, path_bytes) AS exact_path,
            nullif(exact_text(base, base_bytes), '') AS exact_base
        FROM grouped
    )
SELECT
    named.session_no,                                -- UINTEGER: order of the session in the capture
    named.cgroup_id,                                 -- UBIGINT
    container_no,                                    -- UINTEGER: null where the cgroup is no known container
    container_cgroups.name AS container,             -- VARCHAR: its name
    path,                                            -- VARCHAR, and the next four: what the rows hold
    path_bytes,                                      -- BLOB
    base,                                            -- VARCHAR
    base_bytes,                                      -- BLOB
    led,                                             -- VARCHAR
    none,                                            -- BOOLEAN: the call took no path
    coalesce(absolute(led, NULL), absolute(exact_path, exact_base)) AS file,  -- VARCHAR: the name; '' if empty, null if unread
    CASE
        WHEN container_no IS NULL THEN 'unknown_container'
        WHEN none OR file = '' THEN 'empty'
        WHEN file IS NULL THEN 'unreadable'
        WHEN is_excluded(file) THEN 'excluded'
        ELSE 'file'
    END AS kind,                                     -- VARCHAR: the result of its events; `file`: new or duplicate
    led IS NULL AND exact_base IS NULL AND is_relative(exact_path) AS unresolved_base,  -- BOOLEAN
    events,                                          -- BIGINT: rows
    hits,                                            -- BIGINT: rows whose call succeeded
    answers - hits AS misses,                        -- BIGINT: rows whose call failed
    session_place(named.session_no) + first_seq AS first_access,    -- HUGEINT: the first of them in replay order
    session_place(named.session_no) + last_seq AS last_access       -- HUGEINT: the last of them
FROM named
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = named.session_no
    AND container_cgroups.cgroup_id = named.cgroup_id;

-- The rows of this replay with the lookup each belongs to.
CREATE VIEW looked_up AS
SELECT
    selected.*,                                      -- the columns of the format, and session_no
    lookups.rowid AS lookup_no,                      -- BIGINT: row of lookups, as the next three
    container_no,                                    -- UINTEGER
    lookups.file,                                    -- VARCHAR: the name; '' if empty, null if unread
    kind                                             -- VARCHAR
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
    AND passed_none(
        selected.path, selected.path_bytes, selected.note, selected.ret, selected.syscall
    ) = lookups.none;

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
