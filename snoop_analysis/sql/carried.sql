-- SPDX-License-Identifier: Apache-2.0
-- What an earlier replay left; empty in a first one.

-- The files, also those evicted.
CREATE TABLE carried_files (
    container_no UINTEGER,
    file VARCHAR,                                    -- the name
    events BIGINT,
    hits BIGINT,
    misses BIGINT,
    age HUGEINT                                      -- below zero, the greater the more recent; null if evicted
);

-- What was counted.
CREATE TABLE carried_counts (
    container_no UINTEGER,                           -- null for all unknown containers together
    events BIGINT,
    accesses BIGINT,
    excluded BIGINT,
    empty BIGINT,
    unreadable BIGINT,
    unresolved_base BIGINT,
    new BIGINT,
    evicted BIGINT
);

-- The time covered.
CREATE TABLE carried_times (
    first_us BIGINT,
    last_us BIGINT,
    implausible BIGINT,
    undated BIGINT
);
