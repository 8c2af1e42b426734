-- SPDX-License-Identifier: Apache-2.0
-- Events over time, by container; the mark in a comment stands for the number of intervals.
-- Events without a plausible time are in none of them.
WITH
    span AS (
        SELECT
            first_us,
            ceil((last_us - first_us + 1) / /* intervals */)::BIGINT AS width_us
        FROM covered
    )
SELECT
    container_cgroups.container_no,                  -- UINTEGER: null where the cgroup is no known container
    (epoch_us(ts) - first_us) // width_us AS interval_no,  -- BIGINT: from 0
    width_us,                                        -- BIGINT: microseconds of an interval
    count(*) FILTER (ret >= 0) AS found,             -- BIGINT: calls that succeeded
    count(*) FILTER (ret < 0) AS missed,             -- BIGINT: calls that failed
    count(*) FILTER (ret IS NULL) AS without_result  -- BIGINT: calls whose result is not known
FROM selected
CROSS JOIN span
LEFT JOIN container_cgroups
    ON container_cgroups.session_no = selected.session_no
    AND container_cgroups.cgroup_id = selected.cgroup_id
WHERE is_plausible(ts)
GROUP BY ALL
ORDER BY container_no, interval_no;
