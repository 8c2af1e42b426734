-- SPDX-License-Identifier: Apache-2.0
-- The lookups that failed, by program and directory, and what avoids them. A miss is ENOENT or
-- ENOTDIR. Needs the macros of calls.sql.
WITH
    -- The first line that fits a name (and its program) says what to set.
    known(rank, name_pattern, program_pattern, advice) AS (
        VALUES
            (1, '/etc/ld\.so\.(preload|nohwcap)$', '',
                'nothing: one call at each start of a program'),
            (2, '/nscd/socket$', '', 'nothing: one call at each name lookup without nscd'),
            (3, '/__pycache__/[^/]*\.pyc$', '',
                'compile while the image is built: python3 -m compileall'),
            (4, '/\.local/lib/python', '', 'PYTHONNOUSERSITE=1'),
            (5, '/__init__\.[^/]*so$', 'python',
                'nothing: each import of a package looks for an extension first'),
            (6, '/(pyvenv\.cfg|os\.pyc?|Setup\.local|pybuilddir\.txt|python[0-9]+\.zip|[^/]*\._pth)$', 'python',
                'PYTHONHOME: Python looks for its own library'),
            (7, '(\.pyc?|\.pth|\.zip|/__init__[^/]*|\.(cpython|abi3)[^/]*\.so)$', 'python',
                'put the directory that has it first in PYTHONPATH, or take this one out of it'),
            (8, '\.so$', 'python',
                'put the directory that has it first in PYTHONPATH, or take this one out of it'),
            (9, '/glibc-hwcaps/|\.so(\.[0-9]+)*$', '',
                'run ldconfig while the image is built; take this directory out of LD_LIBRARY_PATH or RUNPATH'),
            (10, '/node_modules(/|$)|/package\.json$|\.(c|m)?js(on)?$', 'node',
                'bundle the program, or name modules with their extension: Node looks in every directory up to /'),
            (11, '/locale/|\.mo$|/LC_[A-Z]+$|locale-archive$', '',
                'LC_ALL=C.UTF-8, or LANGUAGE empty'),
            (12, '/zoneinfo/|/etc/localtime$|/etc/timezone$', '', 'TZ=UTC, or TZ=:/etc/localtime'),
            (13, '/[0-9a-f]{8}\.[0-9]+$', '',
                'SSL_CERT_FILE: certificates are looked up by hash in SSL_CERT_DIR'),
            (14, '/\.htaccess$', '', 'AllowOverride None'),
            (15, '\.(gz|br|zst)$', 'nginx', 'gzip_static off, or make the compressed files'),
            (16, '/terminfo/', '', 'TERM to a terminal that the image has'),
            (17, '/gitconfig$|/git/config$|/\.gitconfig$', '',
                'GIT_CONFIG_NOSYSTEM=1, GIT_CONFIG_GLOBAL=/dev/null')
    ),
    grouped AS (
        SELECT
            container_no,
            coalesce(exe, comm) AS program,
            file,
            bool_or(is_exec(syscall)) AS by_exec,
            count(*) FILTER (ret IN (-2, -20)) AS misses,
            count(*) FILTER (ret >= 0) AS found
        FROM looked_up
        WHERE kind = 'file'
        GROUP BY ALL
    ),
    advised AS (
        SELECT
            grouped.*,
            coalesce(nullif(regexp_replace(file, '/[^/]*$', ''), ''), '/') AS prefix,
            CASE
                WHEN misses = 0 THEN NULL
                WHEN by_exec THEN 'call it by its full path, or put its directory first in PATH'
                ELSE (
                    SELECT min_by(advice, rank)
                    FROM known
                    WHERE regexp_matches(file, name_pattern)
                        AND regexp_matches(coalesce(program, ''), program_pattern)
                )
            END AS advice
        FROM grouped
    )
SELECT
    chosen.name AS container,                        -- VARCHAR
    program,                                         -- VARCHAR: the executable, or the task's name
    prefix,                                          -- VARCHAR: the directory
    sum(misses)::BIGINT AS misses,                   -- BIGINT: calls that found nothing there
    count(*) FILTER (misses > 0) AS names,           -- BIGINT: names that were looked for in vain
    sum(found)::BIGINT AS found,                     -- BIGINT: calls of the same program that found something there
    max_by(regexp_extract(file, '[^/]*$'), {'misses': misses, 'file': file}) AS example,     -- VARCHAR: the name looked for most
    max_by(advice, {'misses': misses, 'file': file}) AS advice                 -- VARCHAR: what to set to avoid them; null if unknown
FROM advised
JOIN chosen ON chosen.container_no = advised.container_no
GROUP BY chosen.container_no, chosen.name, program, prefix
HAVING sum(misses) > 0
ORDER BY misses DESC, program, prefix;
