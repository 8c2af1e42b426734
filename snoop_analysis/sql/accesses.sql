-- SPDX-License-Identifier: Apache-2.0
-- The accesses of the containers that reach the bound, in the order of the files they stand in.
WITH
    wanted AS (
        SELECT lookups.*, file_no
        FROM lookups
        JOIN lookup_files ON lookup_files.lookup_no = lookups.rowid
        SEMI JOIN over_bound ON over_bound.container_no = lookups.container_no
    )
SELECT
    wanted.container_no,                             -- UINTEGER
    wanted.file_no,                                  -- BIGINT: see files
    selected.session_no,                             -- UINTEGER
    selected.seq                                     -- UBIGINT
FROM selected
JOIN wanted
    ON wanted.session_no = selected.session_no
    AND wanted.cgroup_id IS NOT DISTINCT FROM selected.cgroup_id
    AND wanted.path IS NOT DISTINCT FROM selected.path
    AND wanted.base IS NOT DISTINCT FROM selected.base
    AND wanted.rest_of_name IS NOT DISTINCT FROM selected.rest_of_name;
