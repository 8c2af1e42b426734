-- SPDX-License-Identifier: Apache-2.0
-- The accesses of the containers that reach the bound, in replay order, for the LRU.
SELECT
    lookups.container_no,                            -- UINTEGER
    files.file_no,                                   -- BIGINT: see files
    selected.session_no,                             -- UINTEGER
    selected.seq                                     -- UBIGINT
FROM selected
JOIN lookups
    ON selected.session_no = lookups.session_no
    AND selected.cgroup_id = lookups.cgroup_id
    AND selected.path IS NOT DISTINCT FROM lookups.path
    AND selected.path_bytes IS NOT DISTINCT FROM lookups.path_bytes
    AND selected.base IS NOT DISTINCT FROM lookups.base
    AND selected.base_bytes IS NOT DISTINCT FROM lookups.base_bytes
    AND led_to(selected.path, selected.base, selected.base_bytes, selected.real_path)
        IS NOT DISTINCT FROM lookups.led
JOIN files
    ON files.container_no = lookups.container_no
    AND files.file = lookups.file
SEMI JOIN over_bound
    ON over_bound.container_no = lookups.container_no
WHERE lookups.kind = 'file'
ORDER BY selected.session_no, selected.seq;
