-- SPDX-License-Identifier: Apache-2.0
-- Calls that did not fail and of which it is not known what they led to. Needs the macros of
-- normalise.sql and calls.sql.
SELECT
    count(*) FILTER (
        path IS NULL AND (note = 'unreadable' OR NOT takes_no_path(syscall))
    ) AS unreadable,                                 -- BIGINT: no path (a call that failed used none)
    count(*) FILTER (
        is_relative(path)
        AND nullif(base, '') IS NULL
        AND base_bytes IS NULL
        AND real_path IS NULL
    ) AS unresolved                                  -- BIGINT: a relative path without its directory
FROM selected
JOIN container_cgroups
    ON container_cgroups.session_no = selected.session_no
    AND container_cgroups.cgroup_id = selected.cgroup_id
SEMI JOIN counted ON counted.container_no = container_cgroups.container_no
WHERE coalesce(ret, 0) >= 0
    AND NOT names_no_file(syscall, path_role);
