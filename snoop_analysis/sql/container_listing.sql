-- SPDX-License-Identifier: Apache-2.0
-- The containers of a replay.
SELECT
    chosen.name AS container,                        -- VARCHAR
    coalesce(image || '@' || image_digest, image, image_digest) AS image,  -- VARCHAR: null where unknown
    stats.events,                                    -- BIGINT: rows
    stats.unique_files AS files,                     -- BIGINT: files asked for
    stats.found_files AS "files found",              -- BIGINT: of these, found by at least one call
    stats.excluded,                                  -- BIGINT: events excluded
    stats.evicted,                                   -- BIGINT: files put out by the bound
    chosen.cgroup_path AS cgroup                     -- VARCHAR
FROM stats
JOIN chosen ON chosen.container_no = stats.container_no
ORDER BY stats.container_no;
