# SPDX-License-Identifier: Apache-2.0
"""Whether the columns of a file can be those of a capture: writers differ in width and unit."""

import pyarrow as pa

from snoop_format.schema import EVENTS


def misfit(found: pa.Schema, format: pa.Schema = EVENTS) -> str | None:
    """What is wrong with the columns of a file, as the end of a sentence; null if nothing."""
    if not {"path", "path_bytes"} & set(found.names):
        return "it has no column path"
    for wanted in format:
        if found.names.count(wanted.name) > 1:
            return f"it has more than one column {wanted.name}"
        if wanted.name in found.names:
            have = value_type(found.field(wanted.name).type)
            if not _fits(have, value_type(wanted.type)):
                return f"its column {wanted.name} is of type {have}"
    return None


def value_type(found: pa.DataType) -> pa.DataType:
    """The type of what is in a column, dictionary or not."""
    return found.value_type if pa.types.is_dictionary(found) else found


def is_binary(found: pa.DataType) -> bool:
    """Bytes, of whatever width."""
    return str(found).startswith(("binary", "large_binary", "fixed_size_binary"))


def holds_bytes(columns: pa.Schema, name: str) -> bool:
    """Whether there is a column ``name``, and a writer made one of bytes of it."""
    return name in columns.names and is_binary(value_type(columns.field(name).type))


def _is_text(found: pa.DataType) -> bool:
    return str(found).startswith(("string", "large_string"))


def is_integer(found: pa.DataType) -> bool:
    """A whole number, of whatever width."""
    return str(found).startswith(("int", "uint"))


def is_fraction(found: pa.DataType) -> bool:
    """A number that may have a fraction: what some writers make of integers with nulls."""
    return str(found) in ("halffloat", "float", "double") or str(found).startswith("decimal")


def is_time(found: pa.DataType) -> bool:
    """A point in time, of whatever unit."""
    return str(found).startswith("timestamp")


def _fits(have: pa.DataType, wanted: pa.DataType) -> bool:
    if str(have) == "null":
        return True
    if is_integer(wanted):
        return is_integer(have) or is_fraction(have)
    if is_time(wanted):
        return is_time(have) or is_integer(have)
    return _is_text(have) or is_binary(have)
