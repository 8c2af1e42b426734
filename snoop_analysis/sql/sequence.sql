-- SPDX-License-Identifier: Apache-2.0
-- The sequence numbers of a session.
SELECT
    count(*) AS events,                              -- BIGINT
    count(DISTINCT seq) AS distinct_numbers,         -- BIGINT
    min(seq) AS first_seq,                           -- UBIGINT: null without events
    max(seq) AS last_seq                             -- UBIGINT
FROM rows
WHERE session_no = $session_no;
