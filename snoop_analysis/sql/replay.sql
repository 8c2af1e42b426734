-- SPDX-License-Identifier: Apache-2.0
-- Normalise, exclude and count, without a bound on the number of files.
-- Reads `selected` (the rows this replay is about) and `container_cgroups`; needs the macros of
-- normalise.sql and is_excluded(file). Everything here is as large as the number of distinct
-- names, not of events.

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
            count(*) AS events,
            count(*) FILTER (ret >= 0) AS hits,
            count(*) FILTER (ret < 0) AS misses,
            min(seq) AS first_seq,
            max(seq) AS last_seq,
            min(ts) AS first_seen,
            max(ts) AS last_seen
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
    coalesce(absolute(led, NULL), absolute(exact_path, exact_base)) AS file,  -- VARCHAR: the name; '' if empty, null if unread
    CASE
        WHEN container_no IS NULL THEN 'unknown_container'
        WHEN file IS NULL THEN 'unreadable'
        WHEN file = '' THEN 'empty'
        WHEN is_excluded(file) THEN 'excluded'
        ELSE 'file'
    END AS kind,                                     -- VARCHAR: the result of its events; `file`: new or duplicate
    led IS NULL AND exact_base IS NULL AND is_relative(exact_path) AS unresolved_base,  -- BOOLEAN
    events,                                          -- BIGINT: rows
    hits,                                            -- BIGINT: rows whose call succeeded
    misses,                                          -- BIGINT: rows whose call failed
    first_seq,                                       -- UBIGINT
    last_seq,                                        -- UBIGINT
    first_seen,                                      -- TIMESTAMPTZ
    last_seen                                        -- TIMESTAMPTZ
FROM named
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = named.session_no
    AND container_cgroups.cgroup_id = named.cgroup_id;

-- One row per container and file that is neither excluded nor empty.
CREATE TABLE files AS
WITH
    merged AS (
        SELECT
            container_no,
            file,
            sum(events)::BIGINT AS events,
            sum(hits)::BIGINT AS hits,
            sum(misses)::BIGINT AS misses,
            min(session_no * 18446744073709551616::HUGEINT + first_seq) AS first_access,
            min(first_seen) AS first_seen,
            max(last_seen) AS last_seen
        FROM lookups
        WHERE kind = 'file'
        GROUP BY ALL
    )
SELECT
    container_no,                                    -- UINTEGER
    row_number() OVER (PARTITION BY container_no) - 1 AS file_no,  -- BIGINT: counts from 0 within the container
    file,                                            -- VARCHAR: the name
    events,                                          -- BIGINT
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    first_access,                                    -- HUGEINT: session_no and seq of the first access in replay order
    first_seen,                                      -- TIMESTAMPTZ
    last_seen                                        -- TIMESTAMPTZ
FROM merged;

-- What became of the events of each container, before any bound.
CREATE TABLE received AS
SELECT
    container_no,                                    -- UINTEGER: null for all unknown containers together
    sum(events)::BIGINT AS events,                   -- BIGINT: rows
    coalesce(sum(events) FILTER (kind = 'file'), 0)::BIGINT AS accesses,            -- BIGINT: new or duplicate
    coalesce(sum(events) FILTER (kind = 'excluded'), 0)::BIGINT AS excluded,        -- BIGINT
    coalesce(sum(events) FILTER (kind = 'empty'), 0)::BIGINT AS empty,              -- BIGINT
    coalesce(sum(events) FILTER (kind = 'unreadable'), 0)::BIGINT AS unreadable,    -- BIGINT
    coalesce(sum(events) FILTER (unresolved_base), 0)::BIGINT AS unresolved_base,   -- BIGINT: also counted above
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ
FROM lookups
GROUP BY container_no;
