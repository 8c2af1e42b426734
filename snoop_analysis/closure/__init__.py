# SPDX-License-Identifier: Apache-2.0
"""What a used file needs that no call asked for: one rule a module."""

from snoop_analysis.closure.closing import RULES, Closure, close
from snoop_analysis.closure.reasons import Need, Reason

__all__ = ["RULES", "Closure", "Need", "Reason", "close"]
