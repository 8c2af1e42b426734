# SPDX-License-Identifier: Apache-2.0
"""Data inside the page: JSON, compressed, in base64.

That keeps a page with many files small, and no letter of base64 means anything in HTML.
scripts/packing.js unpacks it.
"""

import gzip
import json
from base64 import b64encode


def packed(value: object) -> str:
    """``value`` for a script element that is not run."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()
