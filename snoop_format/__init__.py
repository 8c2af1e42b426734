# SPDX-License-Identifier: Apache-2.0
"""The capture format, version 1: what the recorder writes and the replayer reads.

``schema``   the columns of an event and the words that may stand in them
``calls``    the calls that ``syscall`` may name
``session``  ``session.json`` and the names of the files beside it
``segment``  the open segment (Arrow IPC stream) and the sealed one (Parquet)
``summary``  what removed segments held
"""
