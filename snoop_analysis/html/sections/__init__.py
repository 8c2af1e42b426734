# SPDX-License-Identifier: Apache-2.0
"""The sections of the page: a module and a template each.

A module has a function ``section(source)`` that returns a ``Section``, or null where the capture
has nothing for it; the template of its name is given the section's content. A new section is
these two files and its name in ``html/document.py``.
"""
