# SPDX-License-Identifier: Apache-2.0
"""Images: what is in them, read without root and without unpacking them."""

from snoop_analysis.image.image import Config, Image
from snoop_analysis.image.opening import open_image
from snoop_analysis.image.tree import Inode, Kind, Way

__all__ = ["Config", "Image", "Inode", "Kind", "Way", "open_image"]
