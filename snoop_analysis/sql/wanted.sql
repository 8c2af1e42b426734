-- SPDX-License-Identifier: Apache-2.0
-- What the events of the containers that reach the bound are looked up in.
CREATE OR REPLACE TABLE wanted AS
SELECT
    name_key(lookups) AS name_key,                   -- see replay.sql
    lookups.container_no,                            -- UINTEGER
    file_no                                          -- BIGINT: see files
FROM lookups
JOIN lookup_files ON lookup_files.lookup_no = lookups.rowid
SEMI JOIN over_bound ON over_bound.container_no = lookups.container_no;
