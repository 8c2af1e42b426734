-- SPDX-License-Identifier: Apache-2.0
-- The files of a replay for the page; reads the events again.
SELECT
    path,                                            -- VARCHAR: the name
    container,                                       -- VARCHAR
    cgroup_id,                                       -- UBIGINT
    events,                                          -- BIGINT: new and duplicate events
    hits,                                            -- BIGINT: calls that succeeded
    misses,                                          -- BIGINT: calls that failed
    CASE WHEN is_plausible(first_seen) THEN epoch_us(first_seen) END AS first_us,  -- BIGINT: null where not known
    array_to_string(coalesce(syscalls, []), ' ') AS syscalls  -- VARCHAR: sorted, a space between
FROM file_details;
