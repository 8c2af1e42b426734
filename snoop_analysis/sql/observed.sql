-- SPDX-License-Identifier: Apache-2.0
-- What the containers asked for, by name, as it has to be looked up in their image. Reads
-- `selected_calls`, `container_cgroups` and `counted`; needs the macros of normalise.sql and calls.sql.
--
-- A call with an unknown result (restarted, blocked) is taken for one that succeeded: what may
-- have been used is not called unobserved.

SELECT
    container_cgroups.container_no,                  -- UINTEGER
    path,                                            -- VARCHAR, and the next three: what the rows hold
    path_bytes,                                      -- BLOB
    base,                                            -- VARCHAR
    base_bytes,                                      -- BLOB
    led_to(path, base, base_bytes, real_path, real_path_bytes) AS led,  -- VARCHAR: see normalise.sql
    starts_at_base(path, base, base_bytes, syscall) AS is_below,  -- BOOLEAN: see calls.sql
    takes_last_link(syscall, flags) AS is_link,      -- BOOLEAN
    list_sort(list_distinct(
        coalesce(list(DISTINCT exact_text(real_path, real_path_bytes)) FILTER (real_path <> '' AND coalesce(ret, 0) >= 0), [])
        || coalesce(flatten(list(DISTINCT names) FILTER (real_path IS NULL AND coalesce(ret, 0) >= 0)), [])
    )) AS real_paths,                                -- VARCHAR[]: what it led to, exact text
    coalesce(sum(count) FILTER (coalesce(ret, 0) >= 0 AND NOT only_looks(syscall)), 0)::BIGINT AS uses,  -- BIGINT: calls that took something from it, or changed it
    coalesce(sum(count) FILTER (ret < 0 OR only_looks(syscall)), 0)::BIGINT AS looks,  -- BIGINT: calls that saw that it is there
    bool_or(coalesce(ret, 0) >= 0 AND is_exec(syscall)) AS executed,             -- BOOLEAN
    bool_or(coalesce(ret, 0) >= 0 AND plain_call(syscall) = 'chroot') AS is_root,  -- BOOLEAN: it became a process's root
    bool_or(coalesce(ret, 0) >= 0) AS is_there,      -- BOOLEAN: a call may have succeeded
    min(first_seen) AS first_seen,                   -- TIMESTAMPTZ
    max(last_seen) AS last_seen,                     -- TIMESTAMPTZ
    list_sort(list(DISTINCT syscall)) AS syscalls,   -- VARCHAR[]
    list_sort(list(DISTINCT coalesce(exe, comm)))[1:5] AS programs  -- VARCHAR[]: some of those that asked for it
FROM selected_calls
JOIN container_cgroups
    ON container_cgroups.session_no = selected_calls.session_no
    AND container_cgroups.cgroup_id = selected_calls.cgroup_id
SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
LEFT JOIN file_names
    ON file_names.session_no = selected_calls.session_no
    AND file_names.cgroup_id = selected_calls.cgroup_id
    AND file_names.dev = selected_calls.dev
    AND file_names.ino = selected_calls.ino
WHERE coalesce(ret, 0) <> -2                         -- ENOENT: it is not there
    AND path IS NOT NULL
    AND (path <> '' OR real_path <> '')
    AND NOT names_no_file(syscall, path_role)
GROUP BY ALL
ORDER BY container_no, first_seen, path, path_bytes, base, base_bytes, led, is_below, is_link;
