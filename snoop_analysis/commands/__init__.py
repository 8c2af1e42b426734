# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ``snoop-analyze``, one a module."""
