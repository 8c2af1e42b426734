-- SPDX-License-Identifier: Apache-2.0
-- What a bound on the number of files changes; empty where no container reaches it.

-- The containers with more files than the bound.
CREATE TABLE over_bound (
    container_no UINTEGER,
    files BIGINT                                     -- distinct files without a bound
);

-- What the LRU made of them.
CREATE TABLE bounded (
    container_no UINTEGER,
    new BIGINT,                                      -- accesses that found their file absent
    evicted BIGINT                                   -- files put out
);

-- The files in the LRU at the end.
CREATE TABLE kept (
    container_no UINTEGER,
    file_no BIGINT,
    place BIGINT                                     -- the greater, the more recently used
);

-- The accesses that found their file absent; filled when someone asks for the results by event.
CREATE TABLE new_events (
    session_no UINTEGER,
    seq UBIGINT,
    container_no UINTEGER,                           -- seq alone would do, were it not for writers that repeat it
    file_no BIGINT
);
