# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze unused``: what an image can lose."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from snoop_analysis.commands.options import (
    INCOMPLETE,
    capture_arguments,
    image_options,
    open_capture,
    part_arguments,
    part_options,
    refuse_standard_output,
    strict_option,
)
from snoop_analysis.commands.output import Output, listing
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.closure.policy import Policy
    from snoop_analysis.judging import Answer

PRESETS: Final = ("python", "node", "java", "nginx")
LISTS: Final = ("keep", "rsync", "tar", "slim", "dockerfile")
EXAMPLES = """\b
Examples:
  snoop-analyze unused capture/ --image app.tar
  snoop-analyze unused capture/ --image app.tar --by file --csv > files.csv
  snoop-analyze unused capture/ --image app.tar --why /usr/lib/x86_64-linux-gnu/libz.so.1
  snoop-analyze unused capture/ --image app.tar --preset python --write slim.tar
"""


@click.command("unused", epilog=EXAMPLES)
@capture_arguments
@image_options
@click.option("--force", is_flag=True, help="Count captures of another image digest too.")
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="Keep and drop what a YAML file says; repeat it.",
)
@click.option(
    "--preset",
    "presets",
    type=click.Choice(PRESETS),
    multiple=True,
    help="Keep what programs of this kind load late; repeat it.",
)
@click.option("--keep-metadata", is_flag=True, help="Keep what package managers wrote down.")
@click.option("--drop-looked-at", is_flag=True, help="Drop files that were looked at only.")
@click.option(
    "--without-rule",
    "without_rules",
    multiple=True,
    metavar="NAME",
    help="Do not apply a closure rule (see docs/slimming.md); repeat it.",
)
@click.option(
    "--by",
    metavar="KEY",
    help="List by package, directory[:DEPTH], layer, verdict or file; or what was used outside "
    "of the image (outside).",
)
@click.option("--why", "names", multiple=True, metavar="PATH", help="Explain the verdict on PATH.")
@click.option(
    "--list",
    "lists",
    type=(click.Choice(LISTS), click.Path(path_type=Path, dir_okay=False)),
    multiple=True,
    metavar="KIND FILE",
    help=f"Write what to keep to FILE, as {', '.join(LISTS[:-1])} or {LISTS[-1]} take it; "
    "repeat it.",
)
@click.option(
    "--write",
    "root_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the slimmed root file system, a tar archive.",
)
@click.option(
    "--write-image",
    "image_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the slimmed image, a tar archive with an OCI layout.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a report to look at, with a section about the image; it needs no network.",
)
@listing
@part_options
@strict_option
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    image: str,
    reference: str | None,
    platform: str | None,
    force: bool,
    policies: tuple[Path, ...],
    presets: tuple[str, ...],
    keep_metadata: bool,
    drop_looked_at: bool,
    without_rules: tuple[str, ...],
    by: str | None,
    names: tuple[str, ...],
    lists: tuple[tuple[str, Path], ...],
    root_path: Path | None,
    image_path: Path | None,
    page: Path | None,
    output: Output,
    strict: bool,
    **part: Any,
) -> None:
    """Say of every file of an image whether it was used, looked at, needed, or not observed."""
    from snoop_analysis.image import open_image
    from snoop_analysis.judging import judge
    from snoop_analysis.listings import NO_PACKAGE, check_key, whole
    from snoop_analysis.listings import listing as table_of
    from snoop_analysis.replacing import check_outputs

    plain = output == Output()
    if names and (by or not plain):
        raise click.UsageError(
            "--why explains in words: it takes no --by, --csv, --json or --parquet"
        )
    if by is not None:
        check_key(by)
    refuse_standard_output("--write", root_path)
    refuse_standard_output("--write-image", image_path)
    refuse_standard_output("--list", *(path for _, path in lists))
    refuse_standard_output("--html", page)
    written = [root_path, image_path, page, output.file, *(path for _, path in lists)]
    check_outputs(written, [image, *policies])
    answer = judge(
        open_capture(captures, skip_damaged, memory_limit),
        open_image(image, reference, platform),
        _policy(policies, presets),
        force=force,
        keep_metadata=keep_metadata,
        drop_looked_at=drop_looked_at,
        without_rules=without_rules,
        **part_arguments(**part),
    )
    for line in answer.heading():
        print(printable(line), file=sys.stdout if plain else sys.stderr)
    _write(answer, lists, root_path, image_path)
    if page:
        from snoop_analysis.html.document import write_page
        from snoop_analysis.html.sections.image import section

        write_page(answer.replay, page, [section(answer)])
    if names:
        for name in names:
            print(*map(printable, answer.judgement.why(name)), sep="\n")
    elif output == Output(as_json=True) and by is None:
        output.print_object(whole(answer))
    elif by or not plain:
        key = by or "package"
        without = {"package": NO_PACKAGE} if key == "package" else {}
        output.print(table_of(answer, key), without)
    else:
        print()
        print(*answer.summary(), sep="\n")
    if strict and not answer.standing.complete:
        click.get_current_context().exit(INCOMPLETE)


def _policy(policies: tuple[Path, ...], presets: tuple[str, ...]) -> Policy:
    from snoop_analysis.closure.policy import Policy, load, preset

    return sum((*map(preset, presets), *map(load, policies)), Policy())


def _write(
    answer: Answer,
    lists: tuple[tuple[str, Path], ...],
    root_path: Path | None,
    image_path: Path | None,
) -> None:
    """Write what was asked for."""
    from snoop_analysis.image.writing import write_image, write_root
    from snoop_analysis.keeping import write_list

    for kind, path in lists:
        for sentence in write_list(answer.judgement, kind, path):
            print(sentence, file=sys.stderr)
    if root_path:
        write_root(answer.judgement.kept, root_path)
    if image_path:
        write_image(answer.judgement.image, answer.judgement.kept, image_path)
