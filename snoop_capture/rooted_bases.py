# SPDX-License-Identifier: Apache-2.0
"""Relative paths that ``..`` would lead out of their root directory: openat2(2), RESOLVE_IN_ROOT.

In such a call ``..`` stops at the directory that the path starts from. No column says so of a
relative path, and who joins it to its base comes to another file; so such a row has no base.
"""

import numpy as np

from snoop_capture.layout import KIND_IN_ROOT, MARK_BASE_UNRESOLVED, MARK_HAS_BASE
from snoop_capture.rows import Rows


def forget(rows: Rows) -> None:
    """Take the base off these rows."""
    in_root = (rows.kind & np.uint32(KIND_IN_ROOT)) != 0
    for row in np.flatnonzero(in_root & (rows.base >= 0)).tolist():
        if leads_out(rows.path(row)):
            rows.base[row] = -1
            rows.mark[row] = int(rows.mark[row]) & ~MARK_HAS_BASE | MARK_BASE_UNRESOLVED


def leads_out(path: bytes) -> bool:
    """Does a relative path go above where it starts, as far as it says without symbolic links?"""
    level = 0
    for part in path.split(b"/") if not path.startswith(b"/") else ():
        if part == b"..":
            level -= 1
        elif part not in (b"", b"."):
            level += 1
        if level < 0:
            return True
    return False
