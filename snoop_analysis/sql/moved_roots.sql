-- SPDX-License-Identifier: Apache-2.0
-- The containers whose own processes put another directory in the place of `/`, by pivot_root(2) or
-- a mount there, and where that may have been: such a call names it by what it is called afterwards.
-- Reads `looked_up_calls`, `counted` and `chosen`; needs the macros of calls.sql.
--
-- A new root has to be a mount, or to be made one before: it is among what was mounted and what it
-- was mounted on, unless both were given as descriptors; then the process may have gone there.
-- Container runtimes do the same before the program of the container starts: what they did up to
-- their first such call does not count.
WITH
    calls AS (
        SELECT
            *,
            coalesce(path_role, '') <> 'old' AND (
                syscall = 'pivot_root'
                OR (file = '/' AND syscall = 'move_mount')
                OR (file = '/' AND syscall = 'mount' AND mounts_something(flags))
            ) AS moves_root
        FROM looked_up_calls
        SEMI JOIN counted USING (container_no)
        WHERE coalesce(ret, 0) >= 0
            AND syscall IN ('pivot_root', 'mount', 'move_mount', 'open_tree', 'chdir')
    ),
    beginnings AS (
        SELECT session_no, cgroup_id, min(place) AS place
        FROM calls
        WHERE moves_root AND is_runtime(comm, exe)
        GROUP BY ALL
    ),
    own AS (
        SELECT calls.*
        FROM calls
        LEFT JOIN beginnings USING (session_no, cgroup_id)
        WHERE calls.place > coalesce(beginnings.place, -1)
    ),
    moves AS (
        SELECT DISTINCT container_no, pid, ppid
        FROM own
        WHERE moves_root
    )
SELECT
    container_no,                                    -- UINTEGER
    chosen.name,                                     -- VARCHAR
    list_sort(list(DISTINCT file) FILTER (file <> '')) AS names  -- VARCHAR[]: exact text; null if none
FROM moves
JOIN chosen USING (container_no)
JOIN own USING (container_no)
WHERE own.syscall <> 'chdir'
    OR coalesce(own.pid IN (moves.pid, moves.ppid), TRUE)
GROUP BY ALL
ORDER BY container_no;
