-- SPDX-License-Identifier: Apache-2.0
-- The sequence numbers of a session from $position on; they ought to start from $begin.
SELECT
    count(*) AS events,                              -- BIGINT
    count(DISTINCT seq) FILTER (seq >= $begin) AS distinct_numbers,  -- BIGINT
    min(seq) AS first_seq,                           -- UBIGINT: null without events, as the next
    max(seq) AS last_seq                             -- UBIGINT
FROM rows
WHERE session_no = $session_no AND seq >= $position;
