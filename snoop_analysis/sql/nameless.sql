-- SPDX-License-Identifier: Apache-2.0
-- Calls that did not fail and of which it is not known what they led to. Needs the macros of
-- normalise.sql and calls.sql.
SELECT
    coalesce(sum(count) FILTER (
        path IS NULL AND (note = 'unreadable' OR NOT takes_no_path(syscall))
    ), 0)::BIGINT AS unreadable,                     -- BIGINT: no path (a call that failed used none)
    coalesce(sum(count) FILTER (
        is_relative(path)
        AND nullif(base, '') IS NULL
        AND nullif(base_bytes, ''::BLOB) IS NULL
        AND nullif(real_path, '') IS NULL
    ), 0)::BIGINT AS unresolved                      -- BIGINT: a relative path without its directory
FROM selected_calls
JOIN container_cgroups
    ON container_cgroups.session_no = selected_calls.session_no
    AND container_cgroups.cgroup_id = selected_calls.cgroup_id
SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
WHERE coalesce(ret, 0) >= 0
    AND NOT names_no_file(syscall, path_role);
