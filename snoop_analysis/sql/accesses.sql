-- SPDX-License-Identifier: Apache-2.0
-- The accesses of the containers that reach the bound, in the order of the files they stand in.
-- The mark in a comment stands for the events.
SELECT
    wanted.container_no,                             -- UINTEGER
    wanted.file_no,                                  -- BIGINT: see files
    selected.session_no,                             -- UINTEGER
    selected.seq                                     -- UBIGINT
FROM /* events */ AS selected
JOIN wanted ON wanted.name_key = name_key(selected);
