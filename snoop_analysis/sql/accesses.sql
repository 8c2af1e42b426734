-- SPDX-License-Identifier: Apache-2.0
-- The accesses of the containers that reach the bound, in replay order, for the LRU.
SELECT
    lookups.container_no,                            -- UINTEGER
    lookups.file_no,                                  -- BIGINT: see files
    selected.session_no,                             -- UINTEGER
    selected.seq                                     -- UBIGINT
FROM selected
JOIN bounded_lookups AS lookups
    ON selected.session_no = lookups.session_no
    AND selected.cgroup_id = lookups.cgroup_id
    AND selected.path IS NOT DISTINCT FROM lookups.path
    AND selected.path_bytes IS NOT DISTINCT FROM lookups.path_bytes
    AND selected.base IS NOT DISTINCT FROM lookups.base
    AND selected.base_bytes IS NOT DISTINCT FROM lookups.base_bytes
    AND led_to(selected.path, selected.base, selected.base_bytes, selected.real_path)
        IS NOT DISTINCT FROM lookups.led
ORDER BY selected.session_no, selected.seq;
