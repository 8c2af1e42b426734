-- SPDX-License-Identifier: Apache-2.0
-- The lookups that failed, by program and directory, and what avoids them. A miss is ENOENT or
-- ENOTDIR. Needs the macros of calls.sql.
WITH
    grouped AS (
        SELECT
            container_no,
            coalesce(exe, comm) AS program,
            file,
            bool_or(is_exec(syscall)) AS by_exec,
            coalesce(sum(count) FILTER (ret IN (-2, -20)), 0) AS misses,
            coalesce(sum(count) FILTER (ret >= 0), 0) AS found
        FROM looked_up_calls
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
                -- The first line that fits a name (and its program) says what to set.
                WHEN regexp_matches(file, '/etc/ld\.so\.(preload|nohwcap)$')
                    THEN 'nothing: one call at each start of a program'
                WHEN regexp_matches(file, '/nscd/socket$')
                    THEN 'nothing: one call at each name lookup without nscd'
                WHEN regexp_matches(file, '/__pycache__/[^/]*\.pyc$')
                    THEN 'compile while the image is built: python3 -m compileall'
                WHEN regexp_matches(file, '/\.local/lib/python')
                    THEN 'PYTHONNOUSERSITE=1'
                WHEN regexp_matches(file, '/__init__\.[^/]*so$') AND contains(program, 'python')
                    THEN 'nothing: each import of a package looks for an extension first'
                WHEN regexp_matches(file, '/(pyvenv\.cfg|os\.pyc?|Setup\.local|pybuilddir\.txt|python[0-9]+\.zip|[^/]*\._pth)$') AND contains(program, 'python')
                    THEN 'PYTHONHOME: Python looks for its own library'
                WHEN regexp_matches(file, '(\.pyc?|\.pth|\.zip|/__init__[^/]*|\.(cpython|abi3)[^/]*\.so)$') AND contains(program, 'python')
                    THEN 'put the directory that has it first in PYTHONPATH, or take this one out of it'
                WHEN regexp_matches(file, '\.so$') AND contains(program, 'python')
                    THEN 'put the directory that has it first in PYTHONPATH, or take this one out of it'
                WHEN regexp_matches(file, '\.(rb|so|bundle)$') AND contains(program, 'ruby')
                    THEN 'keep the gems in one directory, or cache where they are (bootsnap): Ruby looks in each of $LOAD_PATH'
                WHEN regexp_matches(file, '\.(pm|pmc|pl|al)$') AND contains(program, 'perl')
                    THEN 'put the directory that has it first in PERL5LIB'
                WHEN regexp_matches(file, '/glibc-hwcaps(/|$)|/lib[^/]*\.so(\.[0-9]+)*$')
                    THEN 'run ldconfig while the image is built; take this directory out of LD_LIBRARY_PATH or RUNPATH'
                WHEN regexp_matches(file, '/node_modules(/|$)|/package\.json$|\.(c|m)?js(on)?$') AND contains(program, 'node')
                    THEN 'bundle the program, or name modules with their extension: Node looks in every directory up to /'
                WHEN regexp_matches(file, '/locale/|\.mo$|/LC_[A-Z]+$|locale-archive$')
                    THEN 'LC_ALL=C, or as its directory in /usr/lib/locale is called, like C.utf8; LANGUAGE empty'
                WHEN regexp_matches(file, '/zoneinfo/|/etc/localtime$|/etc/timezone$')
                    THEN 'TZ=UTC, or TZ=:/etc/localtime'
                WHEN regexp_matches(file, '/[0-9a-f]{8}\.[0-9]+$')
                    THEN 'SSL_CERT_FILE: certificates are looked up by hash in SSL_CERT_DIR'
                WHEN regexp_matches(file, '/\.htaccess$')
                    THEN 'AllowOverride None'
                WHEN regexp_matches(file, '\.(gz|br|zst)$') AND contains(program, 'nginx')
                    THEN 'gzip_static off, or make the compressed files'
                WHEN regexp_matches(file, '/terminfo/')
                    THEN 'TERM to a terminal that the image has'
                WHEN regexp_matches(file, '/gitconfig$|/git/config$|/\.gitconfig$')
                    THEN 'GIT_CONFIG_NOSYSTEM=1, GIT_CONFIG_GLOBAL=/dev/null'
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
