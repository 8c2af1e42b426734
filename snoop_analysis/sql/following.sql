-- SPDX-License-Identifier: Apache-2.0
-- Events as lines, the last one first; the mark in a comment stands for which events.
SELECT
    strftime(ts, '%H:%M:%S.%f') AS time,             -- VARCHAR
    container,                                       -- VARCHAR
    coalesce(comm, '?') || '[' || coalesce(pid::VARCHAR, '?') || ']' AS process,  -- VARCHAR
    syscall,                                         -- VARCHAR
    coalesce(errno_name, CASE WHEN found THEN 'ok' END, note, '?') AS outcome,    -- VARCHAR
    file                                             -- VARCHAR: the name
FROM events
WHERE /* new */
ORDER BY session_no DESC, seq DESC;
