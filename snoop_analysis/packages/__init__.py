# SPDX-License-Identifier: Apache-2.0
"""The packages of an image, as its package managers wrote them down: one kind a module."""

from snoop_analysis.packages.installed import KINDS, installed, metadata, owners
from snoop_analysis.packages.package import Package

__all__ = ["KINDS", "Package", "installed", "metadata", "owners"]
