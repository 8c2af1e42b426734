-- SPDX-License-Identifier: Apache-2.0
-- What was counted, for the next replay.
SELECT
    containers.identity,                             -- VARCHAR: null for all unknown containers together
    received.events,                                 -- BIGINT, as all that follow
    received.accesses,
    received.excluded,
    received.empty,
    received.unreadable,
    received.unresolved_base,
    coalesce(stats.new, 0) AS new,
    coalesce(stats.evicted, 0) AS evicted
FROM received
LEFT JOIN containers ON containers.container_no = received.container_no
LEFT JOIN stats ON stats.container_no = received.container_no;
