# SPDX-License-Identifier: Apache-2.0
"""From what was seen to everything that is needed, with each reason on the way."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from snoop_analysis.closure import bytecode, runtime, scripts
from snoop_analysis.closure.libraries import Libraries
from snoop_analysis.closure.policy import (
    Policy,
    Sets,
    alternatives,
    directory_of,
    followed,
    matcher,
)
from snoop_analysis.closure.reasons import Need, Reason, Subject, Unknown
from snoop_analysis.image import Image, Kind
from snoop_analysis.observed import Observed, end_of

# What each rule keeps; a rule can be left out, to see what it is good for.
RULES: Final = {
    "link": "both ends of every symbolic link on the way to a kept file",
    "parent": "the directories above a kept file",
    "script": "the #! interpreter of an executed script, and that one's",
    "interpreter": "the ELF interpreter of a used program",
    "library": "DT_NEEDED of a used ELF file",
    "set": "files that are used together: certificates, time zones, locales, name service, ...",
    "bytecode": "Python sources and their bytecode",
    "runtime": "what a container runtime reads, mounts on, copies to volumes, starts or passes on",
    "nameless": "what a relative path may have meant whose directory is not known",
}
Rule = Callable[[Subject], Iterable[Need | Unknown]]


@dataclass
class Closure:
    """What is kept of an image, and why.

    Attributes:
        image: the image.
        started: the working directories in which programs were started, by their paths; an empty
            one is not known.
        reasons: of each kept path, the first one found first.
        needed: what is kept because of what was observed; the rest is because of a policy.
        unknown: what could not be found out, a sentence each, and whether a file of the image
            may be needed because of it.
        left_out: rules that were not applied.
    """

    image: Image
    started: dict[str, set[str]]
    left_out: Collection[str] = ()
    reasons: dict[str, dict[Reason, None]] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    unknown: dict[str, bool] = field(default_factory=dict)
    _subjects: list[Subject] = field(default_factory=list)
    _seen: set[Subject] = field(default_factory=set)

    def keep(
        self,
        path: str,
        reason: Reason,
        executed: bool = False,
        active: bool = True,
        names: Collection[str] = (),
    ) -> None:
        """Keep a file, and the directories above it; of a link, what it leads to as well.

        Args:
            path: its path, without any link before the last name.
            reason: why.
            executed: it becomes a program.
            active: rules look at what it needs.
            names: other names it is asked for by.
        """
        self.reasons.setdefault(path, {})[reason] = None
        self._keep_way(self.image.find(path, follow=False).passed, path)
        if self.image.files[path].kind is not Kind.SYMLINK:
            for name in {"", *names} if active else ():
                self._consider(Subject(path, executed, name))
        elif "link" not in self.left_out:
            self.keep_name(path, Reason("link", "target of the link", path), executed, active)

    def keep_name(
        self, name: str, reason: Reason, executed: bool = False, active: bool = True
    ) -> None:
        """Keep what ``name`` leads to, if anything, and the links and directories on the way."""
        way = self.image.find(name)
        self._keep_way(way.passed, way.end or name)
        if way.end is not None:
            self.keep(way.end, reason, executed, active, {name} - {way.end})

    def _keep_way(self, passed: Iterable[str], cause: str) -> None:
        for one in passed:
            if one != cause:
                self.keep_passed(one, cause)

    def keep_passed(self, path: str, cause: str) -> None:
        """Keep a directory or link because it is on the way to ``cause``."""
        if path in self.reasons:
            return
        kind = self.image.files[path].kind
        if kind is Kind.SYMLINK and "link" not in self.left_out:
            self.reasons[path] = {Reason("link", "link on the way to", cause): None}
        elif kind is Kind.DIRECTORY and "parent" not in self.left_out:
            self.reasons[path] = {Reason("parent", "directory on the way to", cause): None}

    def _consider(self, subject: Subject) -> None:
        if subject not in self._seen:
            self._seen.add(subject)
            self._subjects.append(subject)

    def apply(self, rules: dict[str, Rule]) -> None:
        """Apply rules to all that is kept, until nothing new is."""
        while self._subjects:
            subject = self._subjects.pop()
            for name, rule in rules.items():
                if name not in self.left_out:
                    self._apply(name, rule, subject)

    def _apply(self, name: str, rule: Rule, subject: Subject) -> None:
        for need in rule(subject):
            if isinstance(need, Unknown):
                self.unknown[need.sentence] = need.matters
                continue
            if need.inferred:
                self._open(name, need, subject)
            else:
                reason = Reason(name, need.text, subject.path)
                self.keep_name(need.path, reason, need.executed)

    def _open(self, rule: str, need: Need, subject: Subject) -> None:
        """Keep what the kernel opens for a program that it starts.

        A relative path begins at the working directory; what was not executed had none.
        """
        opened: dict[str, set[str]] = {}
        for directory in sorted(self.started.get(subject.path, {""})):
            opened.setdefault(posixpath.join(directory, need.path), set()).add(directory)
        for path, directories in opened.items():
            if path.startswith("/"):
                self._open_at(path, directories, need, Reason(rule, need.text, subject.path, True))
            elif subject.executed:
                sentence = (
                    f"{path}, the {need.text} {subject.path}, is relative to a directory that is "
                    "not known: it may be any file"
                )
                if sentence not in self.unknown:
                    self.unknown[sentence] = True
                    reason = Reason(rule, f"may be the {need.text}", subject.path)
                    self.keep_possible([path], reason)

    def _open_at(self, path: str, directories: set[str], need: Need, reason: Reason) -> None:
        """Keep what the kernel opens at ``path``, for programs started in ``directories``."""
        end = self.image.find(path).end
        if end is None:
            self.unknown[f"{path}, the {need.text} {reason.cause}, is not in the image"] = False
        elif need.executed and not directories <= self.started.setdefault(end, set()):
            self.started[end] |= directories
            self._subjects.append(Subject(end, executed=True))
        self.keep_name(path, reason, need.executed)

    def keep_possible(self, names: Iterable[str], reason: Reason) -> None:
        """Keep what relative paths may mean whose directory is not known."""
        wanted = tuple({f"/{end}" for one in names if (end := end_of(one))})
        for path in self.image.files:
            if path.endswith(wanted):
                self.keep(path, reason, _may_be_executed(self.image, path))


def close(
    image: Image,
    observed: Observed,
    started: Mapping[str, Collection[str]],
    policy: Policy | None = None,
    left_out: Collection[str] = (),
) -> Closure:
    """Everything that is needed by what was observed.

    Args:
        image: the image.
        observed: what was seen of it.
        started: as in ``Closure``.
        policy: what else to keep, and which files belong together.
        left_out: rules not to apply, of ``RULES``.
    """
    policy = policy or Policy()
    closure = Closure(image, {path: set(found) for path, found in started.items()}, left_out)
    _keep_observed(closure, observed)
    if "runtime" not in left_out:
        for need in runtime.needs(image, observed.mounts):
            reason = Reason("runtime", need.text)
            closure.keep_name(need.path, reason, need.executed, active=need.executed)
    if "nameless" not in left_out:
        reason = Reason("nameless", "may be what a relative path meant")
        closure.keep_possible(observed.unresolved, reason)
    libraries = Libraries(image)
    rules: dict[str, Rule] = {
        "script": partial(_script, image, observed),
        "interpreter": libraries.interpreter,
        "library": libraries.needed,
        "set": Sets(image, policy.sets).needs,
        "bytecode": partial(bytecode.pair, image),
    }
    closure.apply(rules)
    closure.needed = frozenset(closure.reasons)
    _keep_wanted(closure, policy)
    closure.apply(rules)
    return closure


def _keep_wanted(closure: Closure, policy: Policy) -> None:
    """Keep what a policy says, and the links by which it names that."""
    image = closure.image
    kept = Reason("policy", "kept by policy")
    wanted = matcher(followed(image, policy.keep))
    for path in [one for one in image.files if wanted.match(one)]:
        closure.keep(path, kept, _may_be_executed(image, path))
    for pattern in alternatives(policy.keep):
        for passed in image.find(directory_of(pattern)).passed:
            closure.keep_passed(passed, pattern)
    for name in policy.names:
        end = image.find(name).end
        if end is not None:
            closure.keep_name(name, kept, _may_be_executed(image, end))


def _script(image: Image, observed: Observed, subject: Subject) -> Iterator[Need | Unknown]:
    """What a script needs; what env started for it was seen if the script was executed."""
    yield from scripts.interpreter(image, subject)
    use = observed.files.get(subject.path)
    if use is None or not use.executed:
        yield from scripts.started_by_env(image, subject)


def _keep_observed(closure: Closure, observed: Observed) -> None:
    for path, use in observed.files.items():
        reason = Reason("observed", "used" if use.uses else "looked at only")
        closure.keep(path, reason, use.executed, use.uses > 0, use.names)
    for passed, name in observed.ways.items():
        closure.keep_passed(passed, name)
    for path in sorted(observed.executed_outside):
        sentence = f"{path} was executed and is not in the image: what it needs is not known"
        closure.unknown[sentence] = True
    for name in sorted(observed.rootless):
        sentence = (
            f"{name}: another directory became its root, and which one is not known: "
            "files in it may have been used by names that begin there"
        )
        closure.unknown[sentence] = True


def _may_be_executed(image: Image, path: str) -> bool:
    return bool(image.files[path].mode & 0o111)
