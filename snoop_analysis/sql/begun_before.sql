-- SPDX-License-Identifier: Apache-2.0
-- The containers that had processes when recording began, and made calls then. Reads `counted`,
-- `container_cgroups` and `stats`.
SELECT DISTINCT
    container_no,                                    -- UINTEGER
    container_cgroups.name                           -- VARCHAR
FROM container_cgroups
SEMI JOIN counted USING (container_no)
SEMI JOIN (FROM stats WHERE events > 0) AS seen USING (container_no)
WHERE running > 0
ORDER BY container_no, container_cgroups.name;
