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
-- and the rest take mounts away, as container runtimes do before the program starts.
CREATE OR REPLACE MACRO names_no_file(syscall, path_role) AS
    plain_call(syscall) IN ('pivot_root', 'umount', 'umount2')
    OR (
        plain_call(syscall) IN ('symlink', 'symlinkat', 'mount')
        AND coalesce(path_role, '') = 'old'
    );

-- takes_no_path(syscall VARCHAR) -> BOOLEAN: NULL is an answer to the question which path: none, or
-- the file descriptor itself.
CREATE OR REPLACE MACRO takes_no_path(syscall) AS plain_call(syscall) IN (
    'mount', 'utimensat', 'utimensat_time64', 'futimesat', 'statx', 'newfstatat', 'fstatat64',
    'quotactl', 'acct', 'fanotify_mark', 'file_getattr', 'file_setattr', 'getxattrat', 'setxattrat',
    'listxattrat', 'removexattrat', 'move_mount'
);

-- passed_none(path VARCHAR, path_bytes BLOB, note VARCHAR, ret INTEGER, syscall VARCHAR) -> BOOLEAN:
-- that is why there is no path. A writer that says nothing of why has not read it.
CREATE OR REPLACE MACRO passed_none(path, path_bytes, note, ret, syscall) AS
    CASE
        WHEN path IS NULL AND path_bytes IS NULL AND note IS NULL AND ret >= 0
            THEN takes_no_path(syscall)
        ELSE FALSE
    END;

-- is_exec(syscall VARCHAR) -> BOOLEAN: a program was replaced.
CREATE OR REPLACE MACRO is_exec(syscall) AS
    plain_call(syscall) IN ('execve', 'execveat', 'exec_interpreter');
