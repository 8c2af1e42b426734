-- SPDX-License-Identifier: Apache-2.0
-- What was used and is not of the image: on volumes, or made while it ran.
SELECT
    path,                                            -- VARCHAR: the name
    place,                                           -- VARCHAR: where it is
    last_seen                                        -- TIMESTAMPTZ
FROM outside
ORDER BY path;
