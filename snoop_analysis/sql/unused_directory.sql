-- SPDX-License-Identifier: Apache-2.0
-- directory_of(path VARCHAR, depth INTEGER) -> VARCHAR: the directory of a file, at most so deep.
CREATE OR REPLACE MACRO directory_of(path, depth) AS
    '/' || array_to_string(string_split(substr(path, 2), '/')[1:-2][1:depth], '/');
