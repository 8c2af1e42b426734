-- SPDX-License-Identifier: Apache-2.0
-- What to keep of an image: the files found, by the name they were asked for and by what that led
-- to where it is known. Links are not followed in a name, so `link/../x` needs both. A call that
-- failed for another reason than that there is no such file, or whose result is not known, may have
-- found it: access of a file that may not be read, readlink of what is no link.
WITH
    led_somewhere AS (
        SELECT
            looked_up_calls.*,
            CASE
                WHEN real_path IS NULL THEN names
                WHEN coalesce(note, '') <> 'deleted' THEN [exact_text(real_path, real_path_bytes)]
            END AS led_to
        FROM looked_up_calls
        SEMI JOIN kept_files
            ON kept_files.container_no = looked_up_calls.container_no
            AND kept_files.file = looked_up_calls.file
        LEFT JOIN file_names USING (session_no, cgroup_id, dev, ino)
        WHERE ret >= 0
    ),
    led_to_files AS (
        SELECT DISTINCT unnest(led_to) AS file
        FROM led_somewhere
    )
SELECT file
FROM kept_files
WHERE hits > 0
UNION
SELECT file
FROM looked_up_calls
SEMI JOIN kept_files
    ON kept_files.container_no = looked_up_calls.container_no
    AND kept_files.file = looked_up_calls.file
WHERE ret IS DISTINCT FROM -2                        -- ENOENT: it is not there
UNION
SELECT file                                          -- VARCHAR: the name
FROM led_to_files
WHERE starts_with(file, '/')
    AND NOT is_excluded(file)
ORDER BY file;
