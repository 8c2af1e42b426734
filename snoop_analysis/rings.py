# SPDX-License-Identifier: Apache-2.0
"""What a recording lacks of the calls that were made through io_uring."""

from collections.abc import Iterator


def sentences(unrecorded: int, without_result: int) -> Iterator[str]:
    """What is said of instances whose calls were not recorded, and of calls without a result."""
    if unrecorded:
        yield (
            f"{unrecorded:,} io_uring instances were made, and calls through them were not "
            "recorded: record on Linux 6.0 or newer"
        )
    if without_result:
        yield (
            f"the results of {without_result:,} calls through io_uring were lost: what they found "
            "may count as not found"
        )
