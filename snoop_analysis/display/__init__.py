# SPDX-License-Identifier: Apache-2.0
"""How captures, replays, reports and tables show themselves, in a notebook and in a terminal."""
