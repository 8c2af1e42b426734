-- SPDX-License-Identifier: Apache-2.0
-- What a capture says about itself, as tables.

CREATE TABLE sessions (
    session_no UINTEGER,                             -- order of the session in the capture
    session_id VARCHAR,
    directory VARCHAR,
    host VARCHAR,
    boot_id VARCHAR,                                 -- null where unknown
    pod_name VARCHAR,                                -- null where unknown
    namespace VARCHAR,                               -- null where unknown
    started_at TIMESTAMPTZ,                          -- null where unknown
    ended_at TIMESTAMPTZ,                            -- null while recording; later, the recorder was killed
    recovered_at TIMESTAMPTZ,                        -- when what a killed recorder left was finished; else null
    command VARCHAR[],                               -- the words that snoop-capture run ran; null where it ran none
    segments BIGINT,                                 -- segment files
    rows BIGINT,                                     -- events in them
    torn_bytes BIGINT,                               -- bytes of a write that was cut short
    removed_rows BIGINT,                             -- events of segments that were removed to save space
    summarized_rows BIGINT                           -- of these, events that a summary tells of
);

CREATE TABLE containers (
    container_no UINTEGER,                           -- order in reports: by cgroup id
    cgroup_id UBIGINT,
    name VARCHAR,
    cgroup_path VARCHAR,
    image VARCHAR,                                   -- null where unknown
    image_digest VARCHAR,                            -- null where unknown
    identity VARCHAR                                 -- what makes it the same one in another session
);

-- Under which cgroup id a session saw a container: the ids repeat across boots and hosts.
CREATE TABLE container_cgroups (
    session_no UINTEGER,
    cgroup_id UBIGINT,
    container_no UINTEGER,
    name VARCHAR,
    running BIGINT                                   -- processes that it had when recording began
);

CREATE TABLE losses (
    session_no UINTEGER,
    cause VARCHAR,
    events BIGINT                                    -- calls that have no row
);

-- Where a container has something mounted; none of a container of which that is not known.
CREATE TABLE mounts (
    session_no UINTEGER,
    container_no UINTEGER,
    mount_point VARCHAR,                             -- path in the container
    root VARCHAR                                     -- what of the file system is mounted there; null where unknown
);
