# SPDX-License-Identifier: Apache-2.0
"""What a damaged or foreign capture raises."""


class FormatError(Exception):
    """A file that is not what the capture format says; the message names it and says why."""
