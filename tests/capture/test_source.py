# SPDX-License-Identifier: Apache-2.0
"""The one text that the parts of the BPF program make."""

from snoop_capture.source import bpf_directory, program_text


def test_each_part_is_in_it_once() -> None:
    text = program_text()
    assert "#include" not in text
    for part in bpf_directory().glob("*.h"):
        lines = part.read_text()
        assert text.count(lines) == 1, part.name
        assert f'#line 1 "{part.name}"\n{lines}' in text


def test_what_follows_a_part_has_its_own_line() -> None:
    lines = program_text().splitlines()
    main = (bpf_directory() / "snoop.c").read_text().splitlines()
    after = main.index('#include "block.h"') + 1
    assert main[after] == '#include "loss.h"'
    at = lines.index('#line 1 "loss.h"')
    assert lines[at - 1] == f'#line {after + 1} "snoop.c"'
