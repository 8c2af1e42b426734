-- SPDX-License-Identifier: Apache-2.0
-- The files of a replay over all containers.
SELECT
    file,                                            -- VARCHAR: the name
    sum(events)::BIGINT AS events,                   -- BIGINT
    sum(hits)::BIGINT AS hits,                       -- BIGINT: calls that succeeded
    string_agg(DISTINCT coalesce(image || '@' || image_digest, image_digest, image), ' ') AS images  -- VARCHAR: null where unknown
FROM kept_files
JOIN chosen ON chosen.container_no = kept_files.container_no
GROUP BY file;
