# SPDX-License-Identifier: Apache-2.0
"""What stops a recording."""


class CaptureError(Exception):
    """Recording is not possible; the message says why and what to do about it."""
