-- SPDX-License-Identifier: Apache-2.0
-- The accesses of the containers that reach the bound, in the order of the files they stand in.
WITH
    wanted AS (
        SELECT lookup_files.*
        FROM lookup_files
        SEMI JOIN over_bound ON over_bound.container_no = lookup_files.container_no
    )
SELECT
    wanted.container_no,                             -- UINTEGER
    wanted.file_no,                                  -- BIGINT: see files
    looked_up.session_no,                            -- UINTEGER
    looked_up.seq                                    -- UBIGINT
FROM looked_up
JOIN wanted ON wanted.lookup_no = looked_up.lookup_no;
