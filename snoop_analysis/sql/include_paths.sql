-- SPDX-License-Identifier: Apache-2.0
-- What to keep of an image: the files found, by the name they were asked for and by what that led
-- to where it is known. Links are not followed in a name, so `link/../x` needs both.
SELECT file
FROM kept_files
WHERE hits > 0
UNION
SELECT exact_text(real_path, real_path_bytes) AS file  -- VARCHAR: the name
FROM looked_up_calls
SEMI JOIN kept_files
    ON kept_files.container_no = looked_up_calls.container_no
    AND kept_files.file = looked_up_calls.file
WHERE ret >= 0
    AND starts_with(real_path, '/')
    AND coalesce(note, '') <> 'deleted'
    AND NOT is_excluded(exact_text(real_path, real_path_bytes))
ORDER BY file;
