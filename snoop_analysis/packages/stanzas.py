# SPDX-License-Identifier: Apache-2.0
"""The text format that package databases are written in: fields, and stanzas between blank lines.

Source: deb-control(5); an email header, which Python's METADATA is, looks the same.
"""

from __future__ import annotations

from collections.abc import Iterator


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Each stanza as its fields; of a field on several lines the first one."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            name, _, value = line.partition(":")
            fields.setdefault(name, value.strip())
    if fields:
        yield fields
