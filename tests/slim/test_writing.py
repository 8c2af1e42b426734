# SPDX-License-Identifier: Apache-2.0
"""Slimmed images and lists, written and read back by the programs that they are for."""

import os
import subprocess
import tarfile
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner

from snoop_analysis.capture import Capture
from snoop_analysis.cli import cli
from snoop_analysis.errors import ImageError, OptionError
from snoop_analysis.image import Kind, open_image, writing
from snoop_analysis.image.writing import write_image, write_root
from snoop_analysis.judging import judge
from snoop_analysis.keeping import write_list
from tests.analysis.conftest import Event, write_session
from tests.slim.images import as_archive, docker_save, entry, hard_link, layer, link

BASE = layer(
    [
        entry("etc", mode=0o700, uid=5, gid=6, mtime=77),
        entry("etc/set", b"root", mode=0o4711, mtime=88),
        entry("etc/sticky", mode=0o1777),
        hard_link("etc/same", "etc/set"),
        link("etc/link", "set"),
        entry("etc/caf\udce9", b"latin", pax_headers={"SCHILY.xattr.user.a": "\udcff\n1"}),
        entry("etc/[a]*", b"glob"),
        entry("etc/new\nline", b""),
        entry("etc/fifo", type=tarfile.FIFOTYPE),
        entry("etc/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("etc/gone", b"not observed"),
    ]
)
KEPT = ["/", "/etc", "/etc/[a]*", "/etc/caf\udce9", "/etc/fifo", "/etc/link", "/etc/new\nline"]
KEPT += ["/etc/null", "/etc/same", "/etc/set", "/etc/sticky"]
CONFIG: dict[str, Any] = {
    "Env": ["PATH=/bin", "MONEY=$5"],
    "Entrypoint": ["/etc/set"],
    "User": "www",
    "Labels": {"a b": 'c"d'},
    "ExposedPorts": {"80/tcp": {}},
    "WorkingDir": "/\nRUN evil",
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "image.tar"
    return as_archive(docker_save([BASE], **CONFIG), path)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events: list[Event] = [{"path": one} for one in KEPT if one.isascii()]
    events.append({"path": "?", "path_bytes": b"/etc/caf\xe9"})
    return write_session(tmp_path_factory.mktemp("capture"), events)


def unused(capture: Path, image: Path, *options: object) -> str:
    words = ["unused", str(capture), "--image", str(image), *map(str, options)]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("option", ["--write", "--write-image"])
def test_what_is_kept_is_what_it_was(
    capture: Path, image: Path, tmp_path: Path, option: str
) -> None:
    unused(capture, image, option, tmp_path / "slim.tar")
    whole, slim = open_image(image), open_image(tmp_path / "slim.tar")
    assert list(slim.files) == KEPT
    for path, inode in slim.files.items():
        if path == "/":
            continue
        old = whole.files[path]
        for name in ("kind", "mode", "uid", "gid", "mtime", "size", "target", "device", "xattrs"):
            assert getattr(inode, name) == getattr(old, name), (path, name)
        if inode.kind is Kind.FILE:
            assert slim.read(path, 100) == whole.read(path, 100)
    assert slim.files["/etc/same"] is slim.files["/etc/set"]
    if option == "--write-image":
        assert slim.config.container == whole.config.container


@pytest.mark.parametrize("option", ["--write", "--write-image"])
def test_the_same_files_give_the_same_bytes(
    capture: Path, image: Path, tmp_path: Path, option: str
) -> None:
    for name in ("one", "two"):
        unused(capture, image, option, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("name", [".wh.foo", "etc/.wh.foo/file"])
def test_a_name_that_takes_another_away_is_in_no_layer(tmp_path: Path, name: str) -> None:
    root, output = tmp_path / "root", tmp_path / "slim.tar"
    for one in (name, "foo", "etc/foo"):
        (root / one).parent.mkdir(parents=True, exist_ok=True)
        (root / one).write_bytes(b"")
    capture = write_session(tmp_path / "capture", [{"path": "/foo"}, {"path": "/etc/foo"}])
    unused(capture, root, "--write-image", output)
    assert set(open_image(output).files) == {"/", "/foo", "/etc", "/etc/foo"}
    output.unlink()
    capture = write_session(tmp_path / "other", [{"path": "/foo"}, {"path": f"/{name}"}])
    with pytest.raises(ImageError, match=r"\.wh\.foo.* cannot be in an image"):
        unused(capture, root, "--write-image", output)
    assert not output.exists()
    unused(capture, root, "--write", output)
    with tarfile.open(output) as archive:
        assert {name, "foo"} <= set(archive.getnames())


def test_a_layer_of_eight_gibibytes_is_whole(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From this size on it does not fit into the number that an ordinary header has for it."""
    size = 8 << 30

    def place_layer(_: object, file: IO[bytes]) -> tuple[str, int]:
        start = file.seek(tarfile.BLOCKSIZE)
        file.write(b"first")
        file.truncate(start + size)
        return "0" * 64, size

    monkeypatch.setattr(writing, "_place_layer", place_layer)
    write_image(open_image(image), {}, tmp_path / "slim.tar")
    with tarfile.open(tmp_path / "slim.tar") as archive:
        blob = archive.getmember(f"blobs/sha256/{'0' * 64}")
        content = archive.extractfile(blob)
        assert content is not None
        assert (blob.size, content.read(5)) == (size, b"first")
        assert "index.json" in archive.getnames()


OUTPUTS = [
    ["unused", "--write"],
    ["unused", "--write-image"],
    ["unused", "--html"],
    ["unused", "--parquet"],
    ["unused", "--list", "keep"],
    ["startup", "--stargz"],
    ["files", "--parquet"],
]


@pytest.mark.parametrize("words", [one for one in OUTPUTS if "--parquet" not in one])
def test_what_is_not_for_standard_output_is_refused(
    capture: Path,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *option = words
    done = CliRunner().invoke(cli, [command, str(capture), "--image", str(image), *option, "-"])
    assert "does not write to standard output" in str(done.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", OUTPUTS)
@pytest.mark.parametrize("kind", ["the archive", "a link to it", "a file of a layout"])
def test_an_image_is_not_written_over(
    capture: Path, image: Path, tmp_path: Path, words: list[str], kind: str
) -> None:
    read = output = tmp_path / "image.tar"
    read.write_bytes(image.read_bytes())
    if kind == "a link to it":
        output = tmp_path / "link.tar"
        output.symlink_to(read)
    elif kind == "a file of a layout":
        (tmp_path / "layout").mkdir()
        subprocess.run(["tar", "-xf", image, "-C", tmp_path / "layout"], check=True)
        read, output = tmp_path / "layout", tmp_path / "layout" / "manifest.json"
    before = output.read_bytes()
    command, *options = words
    done = CliRunner().invoke(
        cli, [command, str(capture), "--image", str(read), *options, str(output)]
    )
    assert isinstance(done.exception, OptionError)
    assert str(done.exception) == f"{output} is what is read: write to another file"
    assert output.read_bytes() == before


def test_a_policy_is_not_written_over(capture: Path, image: Path, tmp_path: Path) -> None:
    policy = tmp_path / "keep.yaml"
    policy.write_text("keep: [/etc/gone]")
    with pytest.raises(OptionError, match="is what is read"):
        unused(capture, image, "--policy", policy, "--list", "keep", policy)


@pytest.mark.parametrize(
    "options",
    ["--list keep {0} --list tar {0}", "--list keep {0} --html {0}", "--write {0} --parquet {0}"],
)
def test_two_outputs_are_not_written_to_one_file(
    capture: Path, image: Path, tmp_path: Path, options: str
) -> None:
    with pytest.raises(OptionError, match="two outputs would go to"):
        unused(capture, image, *options.format(tmp_path / "x").split())
    assert list(tmp_path.iterdir()) == []


def test_writers_check_by_themselves(capture: Path, tmp_path: Path, image: Path) -> None:
    copy = str(tmp_path / "image.tar")
    Path(copy).write_bytes(image.read_bytes())
    answer = judge(Capture(capture), open_image(copy))
    with pytest.raises(OptionError, match="is what is read"):
        write_image(answer.judgement.image, answer.judgement.kept, copy)
    with pytest.raises(OptionError, match="is what is read"):
        write_list(answer.judgement, "keep", copy)
    with pytest.raises(OptionError, match="would be a file of the capture"):
        write_root(answer.judgement.kept, capture / "session.json")


def test_gnu_tar_reads_it(capture: Path, image: Path, tmp_path: Path) -> None:
    unused(capture, image, "--write", tmp_path / "slim.tar")
    listed = subprocess.run(
        ["tar", "-tf", tmp_path / "slim.tar"], capture_output=True, check=True
    ).stdout
    assert listed.count(b"\n") == len(KEPT)


# vfs_cap_data of capability.h: cap_setuid+ep, whose bytes are no text
CAPABILITY = bytes.fromhex("0100000280000000000000000000000000000000")


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities of files are for root to set")
def test_gnu_tar_sets_capabilities_of_files(tmp_path: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy"
    (root / "bin").mkdir(parents=True)
    copy.mkdir()
    (root / "bin/prog").write_bytes(b"")
    os.setxattr(root / "bin/prog", "security.capability", CAPABILITY)
    capture = write_session(tmp_path / "capture", [{"path": "/bin/prog"}])
    unused(capture, root, "--write", tmp_path / "slim.tar")
    options = ["--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", *options, "-xpf", tmp_path / "slim.tar", "-C", copy], check=True)
    assert os.getxattr(copy / "bin/prog", "security.capability") == CAPABILITY


MACHINES = [("0200b700", "arm64"), ("02003e00", "amd64"), ("00020016", "s390x"), ("", "unknown")]


@pytest.mark.parametrize(("machine", "architecture"), MACHINES)
def test_the_architecture_is_that_of_the_programs(
    tmp_path: Path, machine: str, architecture: str
) -> None:
    """Of a root directory nobody said it."""
    order = b"\1" if machine.startswith("02") else b"\2"
    program = b"\x7fELF\2" + order + bytes(10) + bytes.fromhex(machine)
    file = tmp_path / "root.tar"
    entries = [entry("a", b"#!/bin/sh\n", mode=0o755), entry("b", program, mode=0o755)]
    file.write_bytes(layer(entries))
    capture = write_session(tmp_path / "capture", [{"path": "/a"}, {"path": "/b"}])
    unused(capture, file, "--write-image", tmp_path / "slim.tar")
    assert open_image(tmp_path / "slim.tar", platform=f"linux/{architecture}").files


def unpacked(path: Path) -> Path:
    path.mkdir()
    subprocess.run(["tar", "-x", "--exclude=etc/null", "-C", path], input=BASE, check=True)
    return path


def found(root: Path) -> set[bytes]:
    done = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True)
    return {name[1:] or b"/" for name in done.stdout.split(b"\0") if name}


def test_tar_and_rsync_take_their_lists(capture: Path, tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root")
    said = unused(
        capture, root, "--list", "tar", tmp_path / "tar", "--list", "rsync", tmp_path / "rsync"
    )
    assert "left out 1 file with a line break" in said
    wanted = {one.encode(errors="surrogateescape") for one in KEPT} - {
        b"/etc/null",
        b"/etc/new\nline",
    }

    copy = tmp_path / "copy.tar"
    subprocess.run(
        [
            "tar",
            "-cf",
            copy,
            "-C",
            root,
            "--no-recursion",
            "--verbatim-files-from",
            "-T",
            tmp_path / "tar",
        ],
        check=True,
    )
    by_tar = tmp_path / "by_tar"
    by_tar.mkdir()
    subprocess.run(["tar", "-xf", copy, "-C", by_tar], check=True)
    assert found(by_tar) == wanted

    by_rsync = tmp_path / "by_rsync"
    subprocess.run(
        ["rsync", "-a", f"--filter=merge {tmp_path / 'rsync'}", f"{root}/", by_rsync], check=True
    )
    assert found(by_rsync) == wanted


def test_lists_for_people_and_slim(capture: Path, image: Path, tmp_path: Path) -> None:
    kinds = ("keep", "slim", "dockerfile")
    unused(capture, image, *[word for one in kinds for word in ("--list", one, tmp_path / one)])
    keep = (tmp_path / "keep").read_bytes().splitlines()
    assert b"/etc/caf\xe9" in keep
    assert b"/etc/gone" not in keep
    slim = (tmp_path / "slim").read_text(errors="replace").splitlines()
    assert "/etc/set" in slim
    assert "/etc" not in slim
    assert "/etc/sticky" in slim  # there is nothing in it that would come along
    lines = (tmp_path / "dockerfile").read_text().splitlines()
    assert lines[1:] == [
        "FROM scratch",
        "ADD slim.tar /",
        'ENV PATH="/bin"',
        'ENV MONEY="\\$5"',
        'LABEL "a b"="c\\"d"',
        "EXPOSE 80/tcp",
        "# WORKDIR is left out: its value holds what a Dockerfile cannot say",
        "USER www",
        'ENTRYPOINT ["/etc/set"]',
    ]
