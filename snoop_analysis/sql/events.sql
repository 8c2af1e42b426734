-- SPDX-License-Identifier: Apache-2.0
-- The events as people ask for them: the columns of the format and what follows from them.
-- Reads `rows`, `sessions` and `containers`; needs the macros of normalise.sql and calls.sql.

-- errno_name(ret INTEGER) -> VARCHAR: ENOENT for -2; null where the call did not fail.
-- Numbers of include/uapi/asm-generic/errno-base.h and errno.h (Linux), whatever system this
-- runs on.
CREATE OR REPLACE MACRO errno_name(ret) AS
    CASE WHEN ret < 0 THEN coalesce(
        [
            'EPERM', 'ENOENT', 'ESRCH', 'EINTR', 'EIO', 'ENXIO', 'E2BIG', 'ENOEXEC', 'EBADF',
            'ECHILD', 'EAGAIN', 'ENOMEM', 'EACCES', 'EFAULT', 'ENOTBLK', 'EBUSY', 'EEXIST',
            'EXDEV', 'ENODEV', 'ENOTDIR', 'EISDIR', 'EINVAL', 'ENFILE', 'EMFILE', 'ENOTTY',
            'ETXTBSY', 'EFBIG', 'ENOSPC', 'ESPIPE', 'EROFS', 'EMLINK', 'EPIPE', 'EDOM', 'ERANGE',
            'EDEADLK', 'ENAMETOOLONG', 'ENOLCK', 'ENOSYS', 'ENOTEMPTY', 'ELOOP', NULL, 'ENOMSG',
            'EIDRM', 'ECHRNG', 'EL2NSYNC', 'EL3HLT', 'EL3RST', 'ELNRNG', 'EUNATCH', 'ENOCSI',
            'EL2HLT', 'EBADE', 'EBADR', 'EXFULL', 'ENOANO', 'EBADRQC', 'EBADSLT', NULL, 'EBFONT',
            'ENOSTR', 'ENODATA', 'ETIME', 'ENOSR', 'ENONET', 'ENOPKG', 'EREMOTE', 'ENOLINK',
            'EADV', 'ESRMNT', 'ECOMM', 'EPROTO', 'EMULTIHOP', 'EDOTDOT', 'EBADMSG', 'EOVERFLOW',
            'ENOTUNIQ', 'EBADFD', 'EREMCHG', 'ELIBACC', 'ELIBBAD', 'ELIBSCN', 'ELIBMAX',
            'ELIBEXEC', 'EILSEQ', 'ERESTART', 'ESTRPIPE', 'EUSERS', 'ENOTSOCK', 'EDESTADDRREQ',
            'EMSGSIZE', 'EPROTOTYPE', 'ENOPROTOOPT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT',
            'EOPNOTSUPP', 'EPFNOSUPPORT', 'EAFNOSUPPORT', 'EADDRINUSE', 'EADDRNOTAVAIL',
            'ENETDOWN', 'ENETUNREACH', 'ENETRESET', 'ECONNABORTED', 'ECONNRESET', 'ENOBUFS',
            'EISCONN', 'ENOTCONN', 'ESHUTDOWN', 'ETOOMANYREFS', 'ETIMEDOUT', 'ECONNREFUSED',
            'EHOSTDOWN', 'EHOSTUNREACH', 'EALREADY', 'EINPROGRESS', 'ESTALE', 'EUCLEAN',
            'ENOTNAM', 'ENAVAIL', 'EISNAM', 'EREMOTEIO', 'EDQUOT', 'ENOMEDIUM', 'EMEDIUMTYPE',
            'ECANCELED', 'ENOKEY', 'EKEYEXPIRED', 'EKEYREVOKED', 'EKEYREJECTED', 'EOWNERDEAD',
            'ENOTRECOVERABLE', 'ERFKILL', 'EHWPOISON'
        ][-(ret::BIGINT)],
        'errno ' || -(ret::BIGINT)
    ) END;

-- file_of(path VARCHAR, path_bytes BLOB, base VARCHAR, base_bytes BLOB, real_path VARCHAR,
--         real_path_bytes BLOB, syscall VARCHAR, path_role VARCHAR) -> VARCHAR
-- The name that a row is about: absolute, normalised; '' if empty, null if unread.
CREATE OR REPLACE MACRO file_of(
    path, path_bytes, base, base_bytes, real_path, real_path_bytes, syscall, path_role
) AS
    CASE
        WHEN passed_text(path, syscall, path_role) THEN ''
        WHEN starts_at_base(path, base, base_bytes, syscall)
            THEN below(exact_text(path, path_bytes), exact_text(base, base_bytes))
        ELSE coalesce(
            absolute(led_to(path, base, base_bytes, real_path, real_path_bytes), NULL),
            absolute(exact_text(path, path_bytes), exact_text(base, base_bytes))
        )
    END;

CREATE OR REPLACE VIEW events AS
SELECT
    rows.*,                                          -- the columns of the format, and session_no
    file_of(path, path_bytes, base, base_bytes, real_path, real_path_bytes, syscall, path_role) AS file,  -- VARCHAR: absolute, normalised name; '' if empty, null if unread
    ret >= 0 AS found,                               -- BOOLEAN: the call succeeded; null where unknown
    errno_name(ret) AS errno_name,                   -- VARCHAR: ENOENT, …; null unless the call failed
    coalesce(exe, comm) AS program,                  -- VARCHAR: the executable, or the task's name
    container_cgroups.name AS container              -- VARCHAR: null where the cgroup is no known container
FROM rows
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = rows.session_no
    AND container_cgroups.cgroup_id = rows.cgroup_id;

-- What removed segments held, likewise: a row for each distinct access, and how often it was made.
CREATE OR REPLACE VIEW summarized AS
SELECT
    summary_rows.*,                                  -- the columns of a summary, and session_no
    file_of(path, path_bytes, base, base_bytes, real_path, real_path_bytes, syscall, path_role) AS file,  -- VARCHAR, as the rest as in events
    ret >= 0 AS found,
    errno_name(ret) AS errno_name,
    coalesce(exe, comm) AS program,
    container_cgroups.name AS container
FROM summary_rows
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = summary_rows.session_no
    AND container_cgroups.cgroup_id = summary_rows.cgroup_id;
