-- SPDX-License-Identifier: Apache-2.0
-- From what an application passed to the kernel to one name per file.
--
-- A name is text in which a byte that is not UTF-8 stands as NUL and two hexadecimal digits.
-- No path holds a NUL, so two different byte strings never share a name, and a name that is
-- valid UTF-8 is just itself.

-- exact_text(shown VARCHAR, bytes BLOB) -> VARCHAR
--   shown   the path as text; where bytes are given it is only a rendering
--   bytes   the exact bytes, null where shown is exact
-- The pattern cuts the bytes (in hexadecimal) into UTF-8 sequences as RFC 3629 has them; what
-- fits none of them is one stray byte.
CREATE OR REPLACE MACRO exact_text(shown, bytes) AS
    CASE
        WHEN bytes IS NULL THEN replace(shown, chr(0), chr(0) || '00')
        ELSE array_to_string(
            list_transform(
                regexp_extract_all(
                    hex(bytes),
                    '[1-7].|0[1-9A-F]'
                    '|(?:C[2-9A-F]|D.)[89AB].'
                    '|(?:E0[AB].|E[1-9A-CEF][89AB].|ED[89].)[89AB].'
                    '|(?:F0[9AB].|F[123][89AB].|F48.)(?:[89AB].){2}'
                    '|..'
                ),
                LAMBDA piece: CASE
                    WHEN length(piece) = 2 AND (piece >= '80' OR piece = '00') THEN chr(0) || piece
                    ELSE decode(unhex(piece))
                END
            ),
            ''
        )
    END;

-- clean(path VARCHAR) -> VARCHAR
--   path    absolute
-- Lexical cleaning: `//`, `.` and a trailing `/` go; `..` removes its parent and stops at `/`.
-- Most paths are clean already: the first branch finds that without taking them apart.
CREATE OR REPLACE MACRO clean(path) AS
    CASE
        WHEN NOT (contains(path, '//') OR contains(path, '/.') OR suffix(path, '/')) THEN path
        ELSE coalesce(
            nullif(
                list_reduce(
                    list_filter(string_split(path, '/'), LAMBDA part: part NOT IN ('', '.')),
                    LAMBDA parents, part: CASE part
                        WHEN '..' THEN regexp_replace(parents, '/[^/]*$', '')
                        ELSE parents || '/' || part
                    END,
                    ''
                ),
                ''
            ),
            '/'
        )
    END;

-- absolute(path VARCHAR, base VARCHAR) -> VARCHAR
--   path    exact text as the application passed it; null if it could not be read
--   base    exact text of the directory a relative path starts from; null or empty if not known
-- Empty stays empty, null stays null; without a base a relative path starts at `/`.
CREATE OR REPLACE MACRO absolute(path, base) AS
    CASE
        WHEN path IS NULL OR path = '' THEN path
        WHEN starts_with(path, '/') THEN clean(path)
        ELSE clean('/' || coalesce(base, '') || '/' || path)
    END;

-- below(path VARCHAR, root VARCHAR) -> VARCHAR
--   path    exact text, absolute, of a call for which root was the root directory
--   root    exact text of that directory
-- `..` stops at that root.
CREATE OR REPLACE MACRO below(path, root) AS absolute('.' || clean(path), root);

-- is_relative(path VARCHAR) -> BOOLEAN: whether the kernel needed a directory to start from.
CREATE OR REPLACE MACRO is_relative(path) AS path <> '' AND NOT starts_with(path, '/');

-- led_to(path VARCHAR, base VARCHAR, base_bytes BLOB, real_path VARCHAR, real_path_bytes BLOB) -> VARCHAR
-- The exact text of what a relative path without a base led to, where that is known (chdir, for one, carries its
-- target in real_path and no base); null everywhere else. What is empty is none.
CREATE OR REPLACE MACRO led_to(path, base, base_bytes, real_path, real_path_bytes) AS
    CASE
        WHEN real_path IS NOT NULL AND is_relative(path) AND nullif(base, '') IS NULL
            AND nullif(base_bytes, ''::BLOB) IS NULL
            THEN nullif(exact_text(real_path, real_path_bytes), '')
    END;
