# SPDX-License-Identifier: Apache-2.0
"""A Dockerfile that makes an image of a slimmed root file system."""

from __future__ import annotations

import json
import re
from typing import Final

from snoop_analysis.image import Config

# Times are nanoseconds in a configuration.
_CHECKS: Final = (
    ("Interval", "interval"),
    ("Timeout", "timeout"),
    ("StartPeriod", "start-period"),
    ("StartInterval", "start-interval"),
    ("Retries", "retries"),
)
_UNIT: Final = {option: 1 if option == "retries" else 1_000_000 for _, option in _CHECKS}


def dockerfile(config: Config) -> list[str]:
    """A Dockerfile around ``--write slim.tar``, with what the image's configuration says.

    Source: the reference of Dockerfiles; all but commands have their variables replaced.
    """
    lines = [
        "# Beside slim.tar, which snoop-analyze unused ... --write slim.tar writes.",
        "FROM scratch",
        "ADD slim.tar /",
    ]
    for variable in config.strings("Env"):
        key, _, value = variable.partition("=")
        lines.append(_instruction("ENV", f"{key}={_quoted(value)}", variable))
    for label, text in _sorted(config, "Labels"):
        said = f"{_quoted(label)}={_quoted(str(text))}"
        lines.append(_instruction("LABEL", said, f"{label}{text}"))
    for name, word in (("ExposedPorts", "EXPOSE"), ("Volumes", "VOLUME")):
        for one, _ in _sorted(config, name):
            text = _plain(one) if word == "EXPOSE" else _json([_plain(one)])
            lines.append(_instruction(word, text, one))
    for name, word in (("WorkingDir", "WORKDIR"), ("User", "USER"), ("StopSignal", "STOPSIGNAL")):
        if config.text(name):
            lines.append(_instruction(word, _plain(config.text(name)), config.text(name)))
    for name, word in (("Shell", "SHELL"), ("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")):
        if config.strings(name):
            lines.append(_instruction(word, _json(config.strings(name))))
    lines += _health_check(config)
    return lines + [_instruction("ONBUILD", one) for one in config.strings("OnBuild")]


def _health_check(config: Config) -> list[str]:
    check = config.container.get("Healthcheck")
    said = check if isinstance(check, dict) else {}
    test = said.get("Test")
    words = [one for one in test if isinstance(one, str)] if isinstance(test, list) else []
    if not words:
        return []
    if words[0] == "NONE":
        return ["HEALTHCHECK NONE"]
    options = [
        f"--{option}={said[name] // _UNIT[option]}{'ms' if _UNIT[option] > 1 else ''} "
        for name, option in _CHECKS
        if isinstance(said.get(name), int) and said[name] > 0
    ]
    command = " ".join(words[1:]) if words[0] == "CMD-SHELL" else _json(words[1:])
    return [_instruction("HEALTHCHECK", f"{''.join(options)}CMD {command}")]


def _instruction(word: str, text: str, said: str = "") -> str:
    """A line of a Dockerfile that says ``said``; a line break in it, or at its end, makes two."""
    if (text + said).isprintable() and not text.endswith("\\"):
        return f"{word} {text}"
    return f"# {word} is left out: its value holds what a Dockerfile cannot say"


def _sorted(config: Config, name: str) -> list[tuple[str, object]]:
    found = config.container.get(name)
    return sorted(found.items(), key=lambda one: one[0]) if isinstance(found, dict) else []


def _json(words: list[str]) -> str:
    return json.dumps(words, ensure_ascii=False)


def _quoted(value: str) -> str:
    """In double quotes, in which a Dockerfile would replace variables."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _plain(value: str) -> str:
    """Without quotes: a Dockerfile would replace variables, and take quotes away."""
    return re.sub(r"([\\$\"'])", r"\\\1", value)
