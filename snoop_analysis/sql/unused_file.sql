-- SPDX-License-Identifier: Apache-2.0
-- Every file of an image.
SELECT
    path,                                            -- VARCHAR: the name
    verdict,                                         -- VARCHAR: used, looked at only, needed by a used file, not observed
    kept,                                            -- BOOLEAN: it stays in the slimmed image
    inferred,                                        -- BOOLEAN: the kernel opened it by itself, and no event says so
    bytes,                                           -- BIGINT: of several names of one file one has its size
    type,                                            -- VARCHAR: file, directory, symlink, ...
    mode,                                            -- VARCHAR: permission bits, octal
    uid,                                             -- BIGINT
    gid,                                             -- BIGINT
    target,                                          -- VARCHAR: of a symlink; null for the rest
    hard_link_to,                                    -- VARCHAR: the first name of the same file; null if it is this
    layer,                                           -- BIGINT: number of the layer, from 0
    kind,                                            -- VARCHAR: dpkg, apk, rpm, python, node; null if of no package
    package,                                         -- VARCHAR
    version,                                         -- VARCHAR
    home,                                            -- VARCHAR: where the package is; null for one of the system
    last_seen,                                       -- TIMESTAMPTZ: the last call on it
    reason,                                          -- VARCHAR: the first reason to keep it
    cause                                            -- VARCHAR: the file that the reason is about
FROM image_files;
