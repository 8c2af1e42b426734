-- SPDX-License-Identifier: Apache-2.0
-- The links and mounts that programs made in the containers, and what is behind them: the text of a
-- link, the source of a bind mount. Reads `looked_up` and `counted`; needs the macros of calls.sql.
-- A call has a row for each of its paths, of one moment and thread; in a summary they are apart.
SELECT DISTINCT
    new.container_no,                                -- UINTEGER
    new.file AS name,                                -- VARCHAR: of the link or mount point, exact text
    CASE
        WHEN plain_call(new.syscall) NOT IN ('mount', 'move_mount') OR starts_with(old.path, '/')
            THEN exact_text(old.path, old.path_bytes)
    END AS target,                                   -- VARCHAR: exact text, may be relative; null if it is none of the image's
    plain_call(new.syscall) IN ('mount', 'move_mount') AS is_mount  -- BOOLEAN
FROM looked_up AS new
SEMI JOIN counted ON counted.container_no = new.container_no
LEFT JOIN looked_up AS old
    ON old.session_no = new.session_no
    AND old.cgroup_id = new.cgroup_id
    AND old.tid = new.tid
    AND old.ts = new.ts
    AND old.syscall = new.syscall
    AND old.path_role = 'old'
WHERE new.path_role = 'new'
    AND coalesce(new.ret, 0) >= 0
    AND plain_call(new.syscall) IN ('symlink', 'symlinkat', 'mount', 'move_mount')
    AND (plain_call(new.syscall) <> 'mount' OR mounts_something(new.flags))
    AND NOT is_runtime(new.comm, new.exe)
    AND new.file <> ''
ORDER BY ALL;
