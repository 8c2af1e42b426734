-- SPDX-License-Identifier: Apache-2.0
-- What a session's summary knows of the order of accesses: the last one to each file of the
-- containers that reach the bound.
SELECT
    lookup_files.container_no,                       -- UINTEGER
    file_no                                          -- BIGINT: see files
FROM looked_up_summaries
JOIN lookup_files ON lookup_files.lookup_no = looked_up_summaries.lookup_no
SEMI JOIN over_bound ON over_bound.container_no = lookup_files.container_no
WHERE session_no = $session_no
GROUP BY lookup_files.container_no, file_no
ORDER BY max(last_seen) NULLS FIRST, lookup_files.container_no, file_no;
