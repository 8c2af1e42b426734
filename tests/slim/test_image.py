# SPDX-License-Identifier: Apache-2.0
"""Reading images: every form gives the same files, and no hostile one does harm."""

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image, Kind, archive, layers, open_image
from snoop_analysis.image.extent import Extent
from tests.slim.images import (
    Item,
    as_archive,
    as_directory,
    digest,
    docker_save,
    entry,
    hard_link,
    layer,
    link,
    oci_layout,
)

BASE = layer(
    [
        entry("./"),
        entry("usr"),
        entry("usr/lib"),
        link("lib", "usr/lib"),
        entry("usr/lib/a", b"aaa", mode=0o4755, uid=7, gid=8, mtime=99),
        hard_link("usr/b", "usr/lib/a"),
        entry("etc"),
        entry("etc/old", b"old"),
        entry("etc/conf.d"),
        entry("etc/conf.d/1", b"1"),
        entry("var"),
        entry("var/was-directory"),
        entry("var/was-directory/x", b"x"),
    ]
)
UPPER = layer(
    [
        entry("etc/.wh.old", b""),
        entry("etc/conf.d/2", b"22"),
        entry("etc/conf.d/.wh..wh..opq", b""),
        entry("lib/c", b"cccc"),  # by way of the link
        entry("var/was-directory", b"file"),
        entry("etc/caf\udce9", b"latin", pax_headers={"SCHILY.xattr.user.a": "1"}),
        entry("made/on/the/way", b"!"),
    ]
)
FILES = {
    "/": Kind.DIRECTORY,
    "/etc": Kind.DIRECTORY,
    "/etc/caf\udce9": b"latin",
    "/etc/conf.d": Kind.DIRECTORY,
    "/etc/conf.d/2": b"22",
    "/lib": "usr/lib",
    "/made": Kind.DIRECTORY,
    "/made/on": Kind.DIRECTORY,
    "/made/on/the": Kind.DIRECTORY,
    "/made/on/the/way": b"!",
    "/usr": Kind.DIRECTORY,
    "/usr/b": b"aaa",
    "/usr/lib": Kind.DIRECTORY,
    "/usr/lib/a": b"aaa",
    "/usr/lib/c": b"cccc",
    "/var": Kind.DIRECTORY,
    "/var/was-directory": b"file",
}


def content(image: Image) -> dict[str, Any]:
    """What an image holds: bytes of files, targets of links, kinds of the rest."""
    return {
        path: image.read(path, 100)
        if inode.kind is Kind.FILE
        else inode.target
        if inode.kind is Kind.SYMLINK
        else inode.kind
        for path, inode in image.files.items()
    }


def unpacked(path: Path) -> Path:
    """The layers as GNU tar lays them on one another, whiteouts done by hand."""
    path.mkdir()
    for data in (BASE, UPPER):
        if data is UPPER:
            subprocess.run(["rm", "-r", "etc/old", "etc/conf.d/1", "var/was-directory"], cwd=path)
        subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "--exclude=.wh.*"],
            cwd=path,
            input=data,
            check=True,
        )
    return path


def made(form: str, path: Path) -> Path:
    layers = [BASE, UPPER]
    match form.split():
        case ["directory"]:
            return unpacked(path)
        case ["export", *compression]:
            subprocess.run(
                ["tar", "-cf", path, *compression, "-C", unpacked(path.with_name("root")), "."],
                check=True,
            )
            return path
        case ["docker"]:
            return as_archive(docker_save(layers), path)
        case ["oci", "directory", *compression]:
            return as_directory(oci_layout(layers, "".join(compression)), path)
        case ["oci", "archive", *compression]:
            return as_archive(oci_layout(layers, "".join(compression)), path)
    raise AssertionError(form)


@pytest.mark.parametrize(
    "form",
    [
        "directory",
        "export",
        "export --gzip",
        "export --zstd",
        "export --xz",
        "docker",
        "oci directory",
        "oci directory +gzip",
        "oci directory +zstd",
        "oci archive +gzip",
    ],
)
def test_every_form_gives_the_same_files(form: str, tmp_path: Path) -> None:
    image = open_image(made(form, tmp_path / "image"))
    assert content(image) == FILES
    a = image.files["/usr/lib/a"]
    assert (a.mode, a.mtime, a.size) == (0o4755, 99, 3)
    assert image.files["/usr/b"] is a
    assert image.first_names[a] == "/usr/b"
    if form.startswith(("docker", "oci")):
        assert {path: one.layer for path, one in image.files.items() if "c" in path[-2:]} == {
            "/etc": 0,
            "/usr/lib/c": 1,
        }
        assert image.files["/etc/caf\udce9"].xattrs == {"user.a": b"1"}
        assert (a.uid, a.gid) == (7, 8)


LAYERED: list[tuple[list[list[Item]], dict[str, object]]] = [  # layers, what they make
    (  # a hard link to a lower layer's file, which is then replaced; its first name goes
        [
            [entry("a", b"one"), hard_link("b", "a")],
            [hard_link("c", "a"), entry("a", b"two")],
            [entry(".wh.b", b""), hard_link("d", "c")],
        ],
        {"/a": b"two", "/c": b"one", "/d": b"one"},
    ),
    (  # taken away and brought anew in one layer, whatever comes first in it
        [
            [entry("d/x", b"1"), entry("e/z", b"1")],
            [entry("d/new", b"2"), entry("d/.wh..wh..opq", b""), entry("e/new", b"2")],
            [entry("e/newer", b"3"), entry(".wh.e", b"")],
        ],
        {"/d": Kind.DIRECTORY, "/d/new": b"2", "/e": Kind.DIRECTORY, "/e/newer": b"3"},
    ),
    (  # a directory becomes a link: what follows goes where it leads
        [
            [entry("lib/x", b"1"), entry("usr/lib/y", b"1")],
            [link("lib", "usr/lib"), entry("lib/z", b"2")],
        ],
        {
            "/lib": "usr/lib",
            "/usr": Kind.DIRECTORY,
            "/usr/lib": Kind.DIRECTORY,
            "/usr/lib/y": b"1",
            "/usr/lib/z": b"2",
        },
    ),
    (  # a whiteout of what is not there, and of a link but not of what it leads to
        [[entry("d/x", b"1"), link("l", "d")], [entry(".wh.l", b""), entry("q/.wh.w", b"")]],
        {"/d": Kind.DIRECTORY, "/d/x": b"1"},
    ),
    ([[entry("A", b"1"), entry("a", b"2")], [entry(".wh.A", b"")]], {"/a": b"2"}),
    (  # a directory in the place of a lower layer's link: what that led to stays
        [[link("a", "b"), entry("b/x", b"1")], [entry("a"), entry("a/.wh..wh..opq", b"")]],
        {"/a": Kind.DIRECTORY, "/b": Kind.DIRECTORY, "/b/x": b"1"},
    ),
    (
        [[link("a", "b"), entry("b/x", b"1")], [entry("a"), entry("a/.wh.x", b"")]],
        {"/a": Kind.DIRECTORY, "/b": Kind.DIRECTORY, "/b/x": b"1"},
    ),
]


@pytest.mark.parametrize(("items", "wanted"), LAYERED)
def test_layers_on_one_another(
    tmp_path: Path, items: list[list[Item]], wanted: dict[str, object]
) -> None:
    image = open_image(as_archive(docker_save([*map(layer, items)]), tmp_path / "image.tar"))
    assert content(image) == {"/": Kind.DIRECTORY} | wanted
    first = {one: image.files[one] for one in ("/c", "/d") if one in image.files}
    assert first.get("/c") is first.get("/d") or "/c" not in first


@pytest.mark.parametrize("form", [as_directory, as_archive])
def test_of_an_index_of_platforms_one_is_chosen(
    tmp_path: Path, form: Callable[[dict[str, bytes], Path], Path]
) -> None:
    """As docker buildx pushes it: an index of manifests, attestations among them."""
    files: dict[str, bytes] = {}
    listed = []
    for name, data in (("amd64", BASE), ("arm64", UPPER)):
        variant = {"variant": "v8"} if name == "arm64" else {}
        own = oci_layout([data], "+zstd", architecture=name, platform=variant)
        (descriptor,) = json.loads(own["index.json"])["manifests"]
        listed.append({**descriptor, "annotations": {}})
        files |= own
    gone = {"digest": digest(b"not pulled"), "size": 9}
    attested = {**listed[0], "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    inner = json.dumps({"schemaVersion": 2, "manifests": [attested, *listed, gone]}).encode()
    files[f"blobs/sha256/{digest(inner)[7:]}"] = inner
    outer = {"digest": digest(inner), "annotations": {"io.containerd.image.name": "app:1"}}
    files["index.json"] = json.dumps({"manifests": [outer]}).encode()
    path = form(files, tmp_path / "image")
    with pytest.raises(ImageError, match=r"app:1 \(linux/amd64\), app:1 \(linux/arm64/v8\): say"):
        open_image(path, "app:1")
    image = open_image(path, "app:1", "linux/arm64")
    assert "/made" in image.files
    assert "/made" in open_image(path, platform="linux/arm64/v8").files
    with pytest.raises(ImageError, match="none of them is"):
        open_image(path, platform="linux/arm")
    assert digest(inner) in image.digests
    assert "/etc/old" in open_image(path, listed[0]["digest"]).files


def test_the_digests_of_an_image(tmp_path: Path) -> None:
    files = oci_layout([BASE])
    image = open_image(as_directory(files, tmp_path / "oci"))
    manifest = next(one for one in files.values() if b"schemaVersion" in one and b"layers" in one)
    said = next(one for one in files.values() if b"diff_ids" in one)
    assert set(image.digests) == {digest(manifest), digest(said)}


WAYS = [  # path, follow, end, what is passed
    ("/lib/a", True, "/usr/lib/a", "/ /lib /usr /usr/lib /usr/lib/a"),
    ("/lib", False, "/lib", "/ /lib"),
    ("/lib/", False, "/usr/lib", "/ /lib /usr /usr/lib"),
    ("/lib/../lib/a", True, "/usr/lib/a", "/ /lib /usr /usr/lib /usr/lib/a"),
    ("/lib/../a", True, None, "/ /lib /usr /usr/lib"),  # the parent of what the link led to
    ("/../../usr/./lib//a", True, "/usr/lib/a", "/ /usr /usr/lib /usr/lib/a"),
    ("/usr/lib/a/x", True, None, "/ /usr /usr/lib /usr/lib/a"),
    ("/usr/lib/a/", True, None, "/ /usr /usr/lib /usr/lib/a"),
    ("/loop", True, None, "/ /loop"),
    ("/out", True, None, "/ /out /etc"),
    ("/up", True, "/usr", "/ /up /usr"),
    ("/", True, "/", "/"),
]


@pytest.mark.parametrize(("path", "follow", "end", "passed"), WAYS)
def test_names_are_followed_as_the_kernel_does(
    tmp_path: Path, path: str, follow: bool, end: str | None, passed: str
) -> None:
    file = tmp_path / "image.tar"
    links = [
        link("loop", "loop"),
        link("out", "/etc/passwd-of-the-host"),
        link("up", "../../usr"),
        entry("etc"),
    ]
    file.write_bytes(layer([entry("usr"), entry("usr/lib/a", b""), link("lib", "usr/lib"), *links]))
    way = open_image(file).find(path, follow)
    assert (way.end, " ".join(way.passed)) == (end, passed)


HOSTILE: list[tuple[str, list[Item], str]] = [
    ("parent", [entry("../../etc/passwd", b"")], "leads out of it"),
    ("inner parent", [entry("a/../../x", b"")], "leads out of it"),
    ("hard link", [hard_link("x", "../../etc/passwd")], "leads out of it"),
    ("hard link to nothing", [hard_link("x", "etc/shadow")], "which is no file"),
    ("below a file", [entry("a", b""), entry("a/b", b"")], "below 'a', no directory"),
    ("below a loop", [link("a", "a"), entry("a/b", b"")], "below 'a', no directory"),
    ("long name", [entry("a/" * 3000 + "a", b"")], "longer than a path"),
    ("long link", [link("a", "b/" * 3000)], "leads to more than a path can be"),
    ("owner", [entry("a", pax_headers={"uid": f"{1 << 70}"})], "an owner that no file can have"),
    ("group", [entry("a", pax_headers={"gid": f"{1 << 32}"})], "an owner that no file can have"),
]


@pytest.mark.parametrize(
    ("items", "said"), [one[1:] for one in HOSTILE], ids=[h[0] for h in HOSTILE]
)
def test_a_hostile_archive_is_refused(tmp_path: Path, items: list[Item], said: str) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(layer(items))
    with pytest.raises(ImageError, match=said):
        open_image(file)


def test_links_and_devices_are_only_noted(tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    device = entry("d", type=tarfile.BLKTYPE, devmajor=8, devminor=1)
    file.write_bytes(layer([link("a", "/etc"), entry("a/shadow", b"fake"), device]))
    image = open_image(file)
    assert content(image) == {
        "/": Kind.DIRECTORY,
        "/a": "/etc",
        "/d": Kind.BLOCK,
        "/etc": Kind.DIRECTORY,
        "/etc/shadow": b"fake",
    }


@pytest.mark.parametrize("number", [1 << 40, -1])
def test_a_device_that_there_cannot_be_is_refused(tmp_path: Path, number: int) -> None:
    device = tarfile.TarInfo("null")
    device.type, device.devmajor = tarfile.CHRTYPE, number
    file = tmp_path / "image.tar"
    file.write_bytes(device.tobuf(tarfile.GNU_FORMAT) + bytes(2 * tarfile.BLOCKSIZE))
    with pytest.raises(ImageError, match="'null' is a device that there cannot be"):
        open_image(file)


@pytest.mark.parametrize("cut", [700, 5_000, 20_600, 20_992])
def test_an_archive_cut_short_or_damaged_is_refused(tmp_path: Path, cut: int) -> None:
    whole = layer([entry("a", b"x" * 20_000), entry("b", b"y")])
    file = tmp_path / "image.tar"
    file.write_bytes(whole[:cut])
    with pytest.raises(ImageError, match=r"image\.tar cannot be read"):
        open_image(file)
    file.write_bytes(whole[:20_992] + b"\xff" + whole[20_993:])
    with pytest.raises(ImageError, match="damaged at byte"):
        open_image(file)


def test_a_changed_layer_is_refused(tmp_path: Path) -> None:
    files = docker_save([BASE])
    files["0/layer.tar"] = UPPER
    with pytest.raises(ImageError, match="is damaged: its digest is sha256"):
        open_image(as_archive(files, tmp_path / "image.tar"))


def test_a_layer_outside_of_the_layout_is_not_read(tmp_path: Path) -> None:
    files = docker_save([BASE])
    layout = as_directory(files, tmp_path / "layout")
    (tmp_path / "outside.tar").write_bytes(BASE)
    (layout / "0/layer.tar").unlink()
    (layout / "0/layer.tar").symlink_to(tmp_path / "outside.tar")
    with pytest.raises(ImageError, match="lacks the layer"):
        open_image(layout)


def test_a_file_of_a_layout_that_is_a_link_to_itself_is_not_there(tmp_path: Path) -> None:
    layout = as_directory(oci_layout([BASE]), tmp_path / "layout")
    (layout / "index.json").unlink()
    (layout / "index.json").symlink_to("index.json")
    assert "/index.json" in open_image(layout).files  # a directory like any other


def test_a_bomb_of_zeros_takes_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "image.tar.gz"
    big = tarfile.TarInfo("zeros")
    big.size = 1 << 28
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(big.tobuf())
        for _ in range(1 << 8):
            packed.write(bytes(1 << 20))
        packed.write(bytes(1024))
    content = open_image(file).files["/zeros"].content
    assert isinstance(content, Extent)
    assert content.size == 1 << 28
    assert os.fstat(content.file.descriptor).st_blocks * 512 < 1 << 22
    monkeypatch.setattr(archive, "MOST_UNPACKED", 1 << 24)
    with pytest.raises(ImageError, match="unpacks to more than"):
        open_image(file)


def test_a_header_that_wants_all_memory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 32
    with file.open("wb") as out:
        out.write(header.tobuf())
        out.truncate(1 << 32)
    with pytest.raises(ImageError, match="a header of"):
        open_image(file)


def deep_names(count: int) -> bytes:
    return layer([entry(f"{number}/{'a/' * 2_000}b") for number in range(count)])


def long_attributes(count: int) -> bytes:
    text = {"SCHILY.xattr.user.a": "x" * 100_000}
    return layer([entry(f"{number}", b"", pax_headers=text) for number in range(count)])


@pytest.mark.parametrize("items", [deep_names(9), long_attributes(9)], ids=["names", "attributes"])
def test_a_bomb_of_names_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, items: bytes
) -> None:
    """Compressed, a few megabytes would be tens of gigabytes of paths."""
    file = tmp_path / "image.tar.gz"
    file.write_bytes(gzip.compress(items))
    assert len(open_image(file).files) > 9
    for place in (archive, layers):
        monkeypatch.setattr(place, "MOST_LETTERS", 800_000)
    with pytest.raises(ImageError, match="names more than any image does: refused"):
        open_image(file)


@pytest.mark.parametrize("form", ["gnu", "posix"])
@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_files_are_read(tmp_path: Path, form: str, version: str) -> None:
    """GNU tar writes them so; holes are zeros, however large."""
    root = tmp_path / "root"
    root.mkdir()
    with (root / "disk").open("wb") as file:
        for place, text in ((1 << 20, b"one"), (5 << 20, b"two" * 3_000), (9 << 20, b"")):
            file.truncate(place)
            file.seek(place)
            file.write(text)
    (root / "next").write_bytes(b"next")
    options = [f"--format={form}", f"--sparse-version={version}"]
    subprocess.run(
        ["tar", "-cSf", tmp_path / "image.tar", *options, "-C", root, "disk", "next"], check=True
    )
    image = open_image(tmp_path / "image.tar")
    assert (tmp_path / "image.tar").stat().st_size < 1 << 20
    assert image.files["/disk"].size == 9 << 20
    assert image.read("/disk", 9 << 20) == (root / "disk").read_bytes()
    assert image.read("/next", 9) == b"next"


SPARSE = [  # what a sparse file says of its parts, and its size
    ("0,512,100,512", "2000", "out of order"),
    ("0,512,1000,-3", "2000", "out of order"),
    ("0,512", "100", "100 bytes: refused"),
    ("0,512", str(1 << 60), "bytes: refused"),
    ("0,99999", "100000", "cut short"),
    ("0,x", "100000", "cannot be read"),
]


@pytest.mark.parametrize(("parts", "size", "said"), SPARSE)
def test_a_hostile_sparse_file_is_refused(tmp_path: Path, parts: str, size: str, said: str) -> None:
    headers = {"GNU.sparse.size": size, "GNU.sparse.numblocks": "1", "GNU.sparse.map": parts}
    file = tmp_path / "image.tar"
    file.write_bytes(layer([entry("disk", bytes(512), pax_headers=headers)]))
    with pytest.raises(ImageError, match=said):
        open_image(file)


def test_a_layer_that_the_configuration_does_not_list_is_refused(tmp_path: Path) -> None:
    files = docker_save([BASE])
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"].append("0/layer.tar")
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(ImageError, match="2 layers, and 1 in its configuration"):
        open_image(as_archive(files, tmp_path / "image.tar"))


def test_of_several_images_one_has_to_be_chosen(tmp_path: Path) -> None:
    one, two = docker_save([BASE], "app:1"), docker_save([UPPER], "app:2", User="x")
    both = {**one, **{name.replace("0/", "1/"): data for name, data in two.items()}}
    both["manifest.json"] = (
        one["manifest.json"][:-1] + b"," + two["manifest.json"][1:].replace(b"0/", b"1/")
    )
    file = as_archive(both, tmp_path / "image.tar")
    with pytest.raises(ImageError, match=r"app:1 \(linux/amd64\), app:2 .* say which one"):
        open_image(file)
    assert "/made" in open_image(file, "app:2").files
    with pytest.raises(ImageError, match="none of them is"):
        open_image(file, platform="linux/arm64")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("none.tar", None, "there is no image at"),
        ("text.tar", b"no archive", "cannot be read as a tar archive"),
        ("cut.tar.gz", gzip.compress(BASE)[:200], "cannot be unpacked"),
        ("half.tar", BASE[:512], "it has no end"),
        ("cut.tar.zst", b"\x28\xb5\x2f\xfd....", "cannot be unpacked"),
    ],
)
def test_what_is_no_image(tmp_path: Path, name: str, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=said):
        open_image(tmp_path / name)


def test_archives_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary file is made for what is not compressed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.TemporaryFile", io.BytesIO)
    file = as_archive(docker_save([BASE, UPPER]), tmp_path / "image.tar")
    assert content(open_image(file)) == FILES


def test_all_frames_of_a_compressed_archive_are_read(tmp_path: Path) -> None:
    file = tmp_path / "image.tar.zst"
    frames = [BASE[start : start + 1000] for start in range(0, len(BASE), 1000)]
    file.write_bytes(b"".join(map(zstandard.compress, frames)))
    assert "/var/was-directory/x" in open_image(file).files


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    form=st.sampled_from(["docker", "oci", "root"]),
    place=st.floats(0, 0.999),
    change=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"null", b"[]", b"{}", b"7", b'"x"', b"\\u0000", b"../", b"\0" * 512]),
    ),
)
def test_whatever_is_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, form: str, place: float, change: bytes
) -> None:
    directory = tmp_path_factory.mktemp("fuzz")
    files = docker_save([BASE], Labels={"a": "b"}) if form == "docker" else oci_layout([BASE])
    if form == "root":
        image = directory / "image.tar"
        start = int(place * len(BASE))
        image.write_bytes(BASE[:start] + change + BASE[start + len(change) :])
    else:
        texts = sorted(name for name in files if len(files[name]) < 2_000)
        name = texts[int(place * 1_000) % len(texts)]
        start = int(place * len(files[name]))
        files[name] = files[name][:start] + change + files[name][start + len(change) :]
        image = as_directory(files, directory / "image")
    with suppress(ImageError):
        open_image(image)
