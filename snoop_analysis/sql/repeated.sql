-- SPDX-License-Identifier: Apache-2.0
-- The results where events may have the seq of others: of those with one seq and file, as many are
-- new as found the file absent. Takes the place of that of outcome.sql; reads the events twice.
ALTER VIEW results RENAME TO undecided;

-- The accesses that found their file absent, by what events have.
CREATE VIEW new_accesses AS
SELECT
    session_no,
    seq,
    container_no,
    file,
    count(*) AS accesses
FROM new_events
JOIN files USING (container_no, file_no)
GROUP BY ALL;

CREATE VIEW results AS
SELECT *
FROM undecided
WHERE result <> 'new'
UNION ALL
SELECT
    undecided.* REPLACE (
        CASE
            WHEN row_number() OVER same_seq <= coalesce(accesses, 1) THEN 'new'
            ELSE 'duplicate'
        END AS result
    )
FROM undecided
LEFT JOIN new_accesses
    ON new_accesses.session_no = undecided.session_no
    AND new_accesses.seq = undecided.seq
    AND new_accesses.container_no = undecided.container_no
    AND new_accesses.file = undecided.file
WHERE undecided.result = 'new'
WINDOW same_seq AS (
    PARTITION BY
        undecided.session_no, undecided.seq, undecided.container_no, undecided.file
    ORDER BY undecided.ts, hash(undecided)           -- whoever asks again gets the same answer
);
