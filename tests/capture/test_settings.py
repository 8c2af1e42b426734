# SPDX-License-Identifier: Apache-2.0
"""Settings: flags, then variables, then a file; all mistakes at once; what is in effect."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from snoop_capture.cli import cli
from snoop_capture.quantities import Duration, Size, duration_text, size_text
from snoop_capture.settings import SettingsCommand
from tests.capture.recording import SNOOP_CAPTURE

SETTINGS = {
    name: command for name, command in cli.commands.items() if isinstance(command, SettingsCommand)
}


def called(
    *arguments: str | Path, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """``snoop-capture`` with these variables and no others of its own."""
    known = {str(setting.envvar) for setting in SETTINGS["pod"].settings.values()}
    others = {
        name: value
        for name, value in os.environ.items()
        if name not in known and not name.startswith("SNOOP_")
    }
    return subprocess.run(
        [SNOOP_CAPTURE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=others | (dict(env) if env else {}),
        timeout=60,
    )


def printed(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    done = called(*arguments, "--print-config", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def line(text: str, key: str) -> str:
    """The line of a setting; of its value and its source."""
    (found,) = (line for line in text.splitlines() if line.startswith(f"{key}:"))
    return found.removeprefix(f"{key}: ")


def complaints(*arguments: str | Path, env: Mapping[str, str] | None = None) -> list[str]:
    """What a command that is refused for its settings says, line by line."""
    done = called(*arguments, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    head, _, said = done.stderr.partition("Error: ")
    assert head.startswith("Usage: snoop-capture ")
    return said.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "snoop.yaml"


def test_the_first_of_flag_variable_file_and_default_counts(file: Path) -> None:
    file.write_text("rotate-size: 1M\n\nmax-age: 2d\nkeep-free: 5G\n")
    env = {"SNOOP_ROTATE_SIZE": "2M", "SNOOP_MAX_AGE": "3d", "SNOOP_CONFIG": str(file)}
    text = printed("pod", "--rotate-size", "3M", env=env)
    assert line(text, "rotate-size") == "3M  # --rotate-size"
    assert line(text, "max-age") == "3d  # SNOOP_MAX_AGE"
    assert line(text, "keep-free") == f"5G  # {file}:4"
    assert line(text, "max-size") == "none  # default"


@pytest.mark.parametrize("command", SETTINGS)
def test_what_is_printed_can_be_the_file(file: Path, command: str) -> None:
    said = {
        "SNOOP_MAX_AGE": "90",
        "SNOOP_FLUSH_INTERVAL": "0.25",
        "SNOOP_METRICS_ADDR": "[::1]:80",
        "SNOOP_LABEL": "a=1 b=",
        "SNOOP_LOG_FORMAT": "json",
        "SNOOP_KEEP_SUMMARY": "no",
        "SNOOP_QUEUE_SIZE": "100000001",
        "POD_NAME": "null",
        "NODE_NAME": "a: b # c",
    }
    first = printed(command, "--image", "web=\u00e9\n'\"", env=said)
    file.write_text(first)
    settings = yaml.safe_load(first)
    assert settings["label"] == ["a=1", "b="]
    assert settings["image"] == ["web=\u00e9\n'\""]
    assert (settings["pod-name"], settings["node"]) == ("null", "a: b # c")
    assert settings["queue-size"] == 100000001
    assert (settings["flush-interval"], settings["max-age"]) == ("250ms", "90s")
    assert settings["keep-summary"] is False
    assert settings["metrics-addr"] == "[::1]:80"
    second = printed(command, "--config", file)
    assert yaml.safe_load(second) == settings
    assert {key for key in settings if f"{file}:" in line(second, key)} == settings.keys()


@pytest.mark.parametrize("command", SETTINGS)
def test_every_option_has_a_variable_and_a_key(command: str) -> None:
    options = {
        max(parameter.opts, key=len).lstrip("-")
        for parameter in SETTINGS[command].params
        if parameter.param_type_name == "option"
    }
    settings = SETTINGS[command].settings
    assert options - settings.keys() == {"config", "print-config"}
    variables = [setting.envvar for setting in settings.values()]
    assert len(set(variables)) == len(variables)
    kept = {"POD_NAME", "POD_NAMESPACE", "NODE_NAME", "POD_UID"}
    assert {name for name in variables if not str(name).startswith("SNOOP_")} == kept


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    file.write_text(
        "flush-interval: 0\n"
        "rotate-siz: 1M\n"
        "log-level: trace\n"
        "max-size: [1M, 2M]\n"
        "keep-free:\n"
        "namespace: a\n"
        "namespace: b\n"
        "node: {a: b}\n"
    )
    env = {"SNOOP_MAX_AGE": "7 weeks", "SNOOP_METRICS_ADDR": "localhost:http"}
    flags = ["--label", "x", "--rotate-rows=0", "--keep", "--queue-size=1K"]
    said = complaints("pod", "--config", file, *flags, env=env)
    assert said[0] == "13 settings cannot be used:"
    for expected in (
        f"{file}:1: flush-interval: '0' is not within 10ms to 1m",
        f"{file}:2: 'rotate-siz' is no setting of snoop-capture pod; did you mean rotate-size?",
        f"{file}:3: log-level: 'trace' is not one of 'debug', 'info', 'warning', 'error'.",
        f"{file}:4: max-size takes one value, not a list",
        f"{file}:5: keep-free needs a value, or a list of values",
        f"{file}:7: namespace is set twice, before in {file}:6",
        f"{file}:8: node needs a value, or a list of values",
        "SNOOP_MAX_AGE: '7 weeks' is not a time; give seconds, or for example 500ms, 30s, 15m, "
        "24h, 7d, or none",
        "SNOOP_METRICS_ADDR: 'localhost:http' is not an address; give HOST:PORT (127.0.0.1:7667, "
        '[::1]:7667), :PORT for all addresses of this machine, or "" for none',
        "--label: 'x' is not of the form NAME=VALUE",
        "--queue-size: '1K' is too small; give 1M or more",
        "--rotate-rows: 0 is not in the range x>=1.",
    ):
        assert f"  {expected}" in said
    assert [line for line in said if line.startswith("  No such option '--keep'")]
    assert len(said) == 1 + 13


def test_mistakes_on_the_command_line_are_said_too() -> None:
    said = complaints("container", "--rotate-siz", "--max-age", "x")
    assert said[0] == "2 settings cannot be used:"
    assert said[1].startswith("  No such option '--rotate-siz'. (Did you mean one of: ")
    assert said[2].startswith("  --max-age: 'x' is not a time")
    assert said[3] == "Missing argument 'ID...'."


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["cgroup"], "Missing argument 'PATH...'."),
        (["pod", "x"], "Got unexpected extra argument (x)"),
    ],
)
def test_what_is_no_setting_is_not_called_one(words: list[str], mistake: str) -> None:
    assert complaints(*words) == [mistake]


FILES: dict[str, tuple[bytes, str]] = {
    "no YAML": (b"a: b: c\n", "{file}:1: this is not YAML: mapping values are not allowed here"),
    "list": (b"- a\n", "{file} does not hold settings, a line each: rotate-interval: 15m"),
    "word": (b"a", "{file} does not hold settings, a line each: rotate-interval: 15m"),
    "two": (b"node: a\n---\nnode: b\n", "{file}:2: this is not YAML: but found another document"),
    "bytes": (b"\xff\xfe\x00", "{file} is not YAML: "),
    "control": (b"node: \x01\n", "{file} is not YAML: unacceptable character"),
    "deep": (b"[" * 100_000, "{file} is not YAML: "),
    "large": (b"#" * 2_000_000, "{file} is larger than 1,048,576 bytes"),
    "key": (b"[a, b]: c\n", "{file}:1: this is not the name of a setting"),
    "merged": (b"<<: {node: a}\n", "{file}:1: << needs a value, or a list of values"),
    "empty": (b'node: ""\n', "{file}:1: node is empty"),
    "object": (b"node: !!python/name:os.system\n", "{file}:1: node is empty"),
    "file": (b"config: other.yaml\n", "{file}:1: 'config' is no setting of snoop-capture pod"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_hold_no_settings(file: Path, case: str) -> None:
    content, expected = FILES[case]
    file.write_bytes(content)
    headline, said = complaints("pod", "--config", file)
    assert headline == "one setting cannot be used:"
    assert said.startswith("  " + expected.format(file=file))


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n"])
def test_a_file_may_be_empty(file: Path, content: str) -> None:
    file.write_text(content)
    assert printed("pod", "--config", file) == printed("pod")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    said = complaints("pod", env={"SNOOP_CONFIG": f"{tmp_path}/none"})
    assert said[1] == f"  cannot read {tmp_path}/none: No such file or directory"
    assert complaints("pod", "--config", tmp_path)[1] == f"  cannot read {tmp_path}: Is a directory"


@pytest.mark.parametrize("said", [["--metrics-addr", ""], ["--metrics-addr="]])
def test_metrics_are_off_with_nothing(file: Path, said: Sequence[str]) -> None:
    assert line(printed("pod", *said), "metrics-addr") == '""  # --metrics-addr'
    off = printed("pod", env={"SNOOP_METRICS_ADDR": ""})
    assert line(off, "metrics-addr") == '""  # SNOOP_METRICS_ADDR'
    file.write_text('metrics-addr: ""\n')
    assert line(printed("pod", "--config", file), "metrics-addr") == f'""  # {file}:1'


def test_other_empty_variables_are_unset() -> None:
    assert printed("pod", env={"SNOOP_MAX_SIZE": "", "SNOOP_LABEL": ""}) == printed("pod")


VALUES: dict[str, dict[str, str]] = {
    "rotate-size": {
        "65536": "64K",
        "1g": "1G",
        " 2 MiB ": "",
        "1.5G": "",
        "1T": "1T",
        "64k": "64K",
    },
    "max-age": {
        "none": "none",
        "1.5h": "90m",
        ".5": "",
        "3600": "1h",
        "1w": "",
        "nan": "",
        "1e3": "",
    },
    "flush-interval": {"0.01": "10ms", "250ms": "250ms", "60": "1m", "61": "", "-1": "", "inf": ""},
    "keep-summary": {"off": "false", "yes": "true", "maybe": ""},
    "metrics-addr": {":80": ":80", "[::]:1": "[::]:1", "h:65536": "", "::1:80": "", "80": ""},
    "rotate-rows": {"1": "1", "0": "", "1K": "", "1_000": "1000"},
}


@pytest.mark.parametrize(("key", "text"), [(k, text) for k in VALUES for text in VALUES[k]])
def test_values(file: Path, key: str, text: str) -> None:
    """The same from a variable and from a file; what cannot be has no meaning here."""
    meaning = VALUES[key][text]
    variable = "SNOOP_" + key.replace("-", "_").upper()
    file.write_text(f'{key}: "{text}"\n')
    if meaning:
        for found in (printed("pod", env={variable: text}), printed("pod", "--config", file)):
            assert line(found, key).partition("  #")[0].strip('"') == meaning
    else:
        assert complaints("pod", env={variable: text})[1].startswith(f"  {variable}: ")
        assert complaints("pod", "--config", file)[1].startswith(f"  {file}:1: {key}: ")


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1 << 20, (1 << 30) + 1, 3 << 40, 5 << 50])
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert Size().convert(size_text(size), None, None) == size


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.3, 1.0, 59.5, 61.0, 90.0, 3600.0, 1e7 / 3])
def test_times_are_written_as_they_are_read(seconds: float) -> None:
    assert Duration(0, 1e9).convert(duration_text(seconds), None, None) == seconds
