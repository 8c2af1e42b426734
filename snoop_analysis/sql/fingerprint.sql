-- SPDX-License-Identifier: Apache-2.0
-- What is the same for captures whose events read the same, in whatever order. A path counts by its
-- exact text: it may be given as text, as bytes, or as both.
SELECT
    count(*) AS events,                              -- BIGINT
    sum(hash(one)) AS hashes                         -- HUGEINT: null without events
FROM (
    SELECT
        * EXCLUDE (path_bytes, base_bytes, real_path_bytes)
        REPLACE (
            exact_text(path, path_bytes) AS path,
            exact_text(base, base_bytes) AS base,
            exact_text(real_path, real_path_bytes) AS real_path
        )
    FROM events
) AS one;
