-- SPDX-License-Identifier: Apache-2.0
-- name_key(row) -> STRUCT: in place of the hash of replay.sql; slower.
CREATE OR REPLACE MACRO name_key(row) AS struct_pack(
    session_no := row.session_no,
    cgroup_id := row.cgroup_id,
    path := row.path,
    base := row.base,
    rest_of_name := row.rest_of_name
);
