-- SPDX-License-Identifier: Apache-2.0
-- The files of an image by what the marks in comments stand for; what weighs most and was not
-- observed at all comes first. Directories are not counted.
SELECT
    /* keys */,
    count(*) AS files,                               -- BIGINT
    sum(bytes)::BIGINT AS bytes,                     -- BIGINT
    count(*) FILTER (verdict = 'used') AS used_files,  -- BIGINT
    count(*) FILTER (verdict = 'looked at only') AS looked_at_files,               -- BIGINT
    count(*) FILTER (verdict = 'needed by a used file') AS needed_files,           -- BIGINT
    count(*) FILTER (verdict = 'not observed') AS not_observed_files,              -- BIGINT
    coalesce(sum(bytes) FILTER (verdict = 'not observed'), 0)::BIGINT AS not_observed_bytes,  -- BIGINT
    coalesce(sum(bytes) FILTER (NOT kept), 0)::BIGINT AS dropped_bytes,            -- BIGINT: what slimming frees
    max(last_seen) AS last_seen                      -- TIMESTAMPTZ: the last call on one of its files
FROM image_files
WHERE type <> 'directory'
GROUP BY ALL
ORDER BY not_observed_files = files DESC, not_observed_bytes DESC, bytes DESC, /* names */;
