-- SPDX-License-Identifier: Apache-2.0
-- What system calls do with the file they name.

-- plain_call(syscall VARCHAR) -> VARCHAR: openat for io_uring:openat
CREATE OR REPLACE MACRO plain_call(syscall) AS regexp_replace(syscall, '^io_uring:', '');

-- only_looks(syscall VARCHAR) -> BOOLEAN: the call tells what a file is, and takes nothing from it.
CREATE OR REPLACE MACRO only_looks(syscall) AS plain_call(syscall) IN (
    'stat', 'lstat', 'stat64', 'lstat64', 'oldstat', 'oldlstat', 'newfstatat', 'fstatat64',
    'statx', 'statfs', 'statfs64', 'access', 'faccessat', 'faccessat2', 'file_getattr',
    'getxattr', 'lgetxattr', 'listxattr', 'llistxattr', 'getxattrat', 'listxattrat',
    'name_to_handle_at'
);

-- takes_last_link(syscall VARCHAR, flags UBIGINT) -> BOOLEAN: a symbolic link at the end of the
-- path is what the call is about; it is not followed. 256 is AT_SYMLINK_NOFOLLOW (fcntl.h), which
-- the last of these take.
CREATE OR REPLACE MACRO takes_last_link(syscall, flags) AS
    plain_call(syscall) IN (
        'lstat', 'lstat64', 'oldlstat', 'readlink', 'readlinkat', 'unlink', 'unlinkat', 'rmdir',
        'rename', 'renameat', 'renameat2', 'lchown', 'lchown32', 'lgetxattr', 'llistxattr',
        'lsetxattr', 'lremovexattr', 'name_to_handle_at', 'mkdir', 'mkdirat', 'symlink',
        'symlinkat', 'link', 'linkat'
    )
    OR (
        plain_call(syscall) IN (
            'newfstatat', 'fstatat64', 'statx', 'faccessat2', 'fchownat', 'fchmodat2', 'utimensat',
            'utimensat_time64', 'file_getattr', 'getxattrat', 'listxattrat'
        )
        AND coalesce(flags, 0) & 256 <> 0
    );

-- names_no_file(syscall VARCHAR, path_role VARCHAR) -> BOOLEAN: what looks like a path is none, or
-- one of a mount: the text of a symbolic link is stored as it is, what mount gets is often no path,
-- and the rest take mounts away, as container runtimes do before the program starts (what the root
-- is then, moved_roots.sql tells).
CREATE OR REPLACE MACRO names_no_file(syscall, path_role) AS
    plain_call(syscall) IN ('pivot_root', 'umount', 'umount2')
    OR (
        plain_call(syscall) IN ('symlink', 'symlinkat', 'mount')
        AND coalesce(path_role, '') = 'old'
    );

-- takes_no_path(syscall VARCHAR) -> BOOLEAN: NULL is an answer to the question which path: none, or
-- the file descriptor itself. (No IN: DuckDB makes a join over all rows of a long one, also in a
-- CASE that hardly any row comes to.)
CREATE OR REPLACE MACRO takes_no_path(syscall) AS regexp_full_match(
    plain_call(syscall),
    'mount|utimensat|utimensat_time64|futimesat|statx|newfstatat|fstatat64|quotactl|acct'
    '|fanotify_mark|file_getattr|file_setattr|getxattrat|setxattrat|listxattrat|removexattrat'
    '|move_mount'
);

-- passed_none(path VARCHAR, path_bytes BLOB, note VARCHAR, syscall VARCHAR) -> BOOLEAN: that is why
-- there is no path. Of any other call, a writer that says nothing of why has not read it.
CREATE OR REPLACE MACRO passed_none(path, path_bytes, note, syscall) AS
    CASE
        WHEN path IS NULL AND path_bytes IS NULL AND note IS NULL
            THEN takes_no_path(syscall)
        ELSE FALSE
    END;

-- passed_text(path VARCHAR, syscall VARCHAR, path_role VARCHAR) -> BOOLEAN
-- What looks like a path is none that the kernel looks up: the text of a symbolic link is stored as
-- it is, and a relative source of a mount is hardly ever a directory (tmpfs, proc).
CREATE OR REPLACE MACRO passed_text(path, syscall, path_role) AS
    CASE
        WHEN path_role = 'old' THEN coalesce(
            CASE
                WHEN syscall = 'mount' THEN is_relative(path)
                ELSE path IS NOT NULL
                    AND regexp_full_match(syscall, '(?:io_uring:)?symlink(?:at)?')
            END,
            FALSE
        )
        ELSE FALSE
    END;

-- starts_at_base(path VARCHAR, base VARCHAR, base_bytes BLOB, syscall VARCHAR) -> BOOLEAN
-- The call took its base for the root directory: openat2 with RESOLVE_IN_ROOT, the only one whose
-- absolute path has a base that counts.
CREATE OR REPLACE MACRO starts_at_base(path, base, base_bytes, syscall) AS
    CASE
        WHEN (base IS NOT NULL OR base_bytes IS NOT NULL) AND starts_with(path, '/')
            THEN coalesce(syscall = 'openat2' OR syscall = 'io_uring:openat2', FALSE)
        ELSE FALSE
    END;

-- rest_of_name(path VARCHAR, path_bytes BLOB, base VARCHAR, base_bytes BLOB, real_path VARCHAR,
--              real_path_bytes BLOB, note VARCHAR, syscall VARCHAR, path_role VARCHAR) -> VARCHAR
-- What the name of a row depends on besides path and base, as one text; null for nearly all rows.
-- To compare one text that is null is quicker than to compare all these.
CREATE OR REPLACE MACRO rest_of_name(
    path, path_bytes, base, base_bytes, real_path, real_path_bytes, note, syscall, path_role
) AS
    CASE
        WHEN path_bytes IS NOT NULL
            OR base_bytes IS NOT NULL
            OR led_to(path, base, base_bytes, real_path, real_path_bytes) IS NOT NULL
            OR passed_none(path, path_bytes, note, syscall)
            OR passed_text(path, syscall, path_role)
            OR starts_at_base(path, base, base_bytes, syscall)
            THEN concat_ws(
                '|',
                coalesce(hex(path_bytes), '-'),
                coalesce(hex(base_bytes), '-'),
                CASE
                    WHEN passed_none(path, path_bytes, note, syscall)
                        OR passed_text(path, syscall, path_role)
                        THEN 'none'
                    WHEN starts_at_base(path, base, base_bytes, syscall) THEN 'below'
                    ELSE '-'
                END,
                coalesce('+' || led_to(path, base, base_bytes, real_path, real_path_bytes), '-')
            )
    END;

-- What it is made of; null or FALSE where it is null.
CREATE OR REPLACE MACRO rest_path_bytes(rest) AS unhex(nullif(split_part(rest, '|', 1), '-'));
CREATE OR REPLACE MACRO rest_base_bytes(rest) AS unhex(nullif(split_part(rest, '|', 2), '-'));
CREATE OR REPLACE MACRO rest_none(rest) AS coalesce(split_part(rest, '|', 3) = 'none', FALSE);
CREATE OR REPLACE MACRO rest_below(rest) AS coalesce(split_part(rest, '|', 3) = 'below', FALSE);
CREATE OR REPLACE MACRO rest_led(rest) AS nullif(regexp_extract(rest, '(?s)^[^+]*\+(.*)$', 1), '');

-- mounts_something(flags UBIGINT) -> BOOLEAN: mount(2) does not just change a mount that is there.
-- Of these flags are MS_REMOUNT, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE and MS_SHARED (linux/mount.h).
CREATE OR REPLACE MACRO mounts_something(flags) AS
    coalesce(flags, 0) & (32 + 131072 + 262144 + 524288 + 1048576) = 0;

-- is_runtime(comm VARCHAR, exe VARCHAR) -> BOOLEAN: a container runtime, before it becomes the
-- container's program. A summary has no comm where the executable is known.
CREATE OR REPLACE MACRO is_runtime(comm, exe) AS
    regexp_matches(coalesce(comm, ''), '^(runc(:.*)?|crun|youki|conmon)$')
    OR coalesce(
        comm IS NULL AND regexp_matches(exe, '^/memfd:|/(runc|crun|youki|conmon)$'), FALSE
    );

-- is_exec(syscall VARCHAR) -> BOOLEAN: a program was replaced.
CREATE OR REPLACE MACRO is_exec(syscall) AS
    plain_call(syscall) IN ('execve', 'execveat', 'exec_interpreter');
