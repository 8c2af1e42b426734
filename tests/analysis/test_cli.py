# SPDX-License-Identifier: Apache-2.0
"""The command line, run as people run it."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_format.session import sealed_name

from .conftest import Record, write_session

COMMAND = [sys.executable, "-c", "from snoop_analysis.cli import main; main()"]
EVENTS = [
    {"path": "/etc/hosts"},
    {"path": "/etc/hosts", "ret": -2, "syscall": "stat"},
    {"path": "/proc/self", "syscall": "stat"},
    {"path": "/lib/x.so", "syscall": "access", "ret": -13},
]


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_report(record: Record, tmp_path: Path) -> None:
    done = analyze(record(EVENTS), "--report", tmp_path / "r.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 events, 2 distinct files (1 found), no losses" in done.stdout
    assert "1 in /etc" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["containers"][0]["files"] == [
        "/etc/hosts",
        "/lib/x.so",
    ]


def test_report_to_standard_output(record: Record) -> None:
    done = analyze(record(EVENTS), "--report", "-")
    assert json.loads(done.stdout)["total_events"] == 4
    assert "4 events" in done.stderr


@pytest.mark.parametrize(
    ("before", "option"),
    [((), "--report"), ((), "--html"), (("export", "--to", "csv"), "-o"),
     (("export", "--to", "parquet"), "-o"), (("export", "--to", "slim"), "-o")],
)  # fmt: skip
def test_a_pipe_is_written_to_and_not_replaced(
    record: Record, tmp_path: Path, before: tuple[str, ...], option: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        done = analyze(*before, record(EVENTS), option, pipe)
        assert (done.returncode, done.stderr) == (0, "")
        assert pipe.is_fifo()
        assert reader.communicate()[0]


def test_report_to_the_device_of_standard_output(record: Record) -> None:
    done = analyze(record(EVENTS), "--report", "/dev/stdout")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.JSONDecoder().raw_decode(done.stdout)[0]["total_events"] == 4


@pytest.mark.parametrize(
    "words",
    [
        "export {} --to csv -o -",
        "export {} --to parquet -o /dev/fd/1",
        "files {} --parquet -",
        "{} --report /dev/stdout",
    ],
)
def test_what_stands_where_standard_output_leads_to_stays(
    record: Record, tmp_path: Path, words: str
) -> None:
    script = '(echo before; "$@"; echo behind) >out'
    command = [*COMMAND, *words.format(record(EVENTS)).split()]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    written = (tmp_path / "out").read_bytes()
    assert written.startswith(b"before\n")
    assert written.endswith(b"behind\n")
    assert len(written) > len(b"before\nbehind\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(record: Record, tmp_path: Path, closed: str) -> None:
    report = tmp_path / "r.json"
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND]
    words += [str(record(EVENTS)), "--report", str(report)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert report.exists()


def test_table(record: Record) -> None:
    done = analyze(record(EVENTS))
    assert done.stdout.splitlines()[-2:] == [
        "app             2     1       1  /etc/hosts",
        "app             1     0       1  /lib/x.so",
    ]


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ("syscall", {"stat": 2, "openat": 1, "access": 1}),
        ("process", {"app[10]": 4}),
        ("program", {"app": 4}),
        ("container", {"app": 4}),
        ("directory", {"/etc": 2, "/proc": 1, "/lib": 1}),
        ("directory:1", {"/etc": 2, "/proc": 1, "/lib": 1}),
        ("file", {"/etc/hosts": 2, "/proc/self": 1, "/lib/x.so": 1}),
        ("result", {"new": 2, "duplicate": 1, "excluded": 1}),
        ("errno", {"ok": 2, "ENOENT": 1, "EACCES": 1}),
        ("extension", {None: 3, ".so": 1}),
    ],
)
def test_by(record: Record, key: str, counts: dict[str | None, int]) -> None:
    done = analyze(record(EVENTS), "--by", key, "--json")
    assert done.returncode == 0, done.stderr
    assert {row[key]: row["events"] for row in json.loads(done.stdout)} == counts


def test_processes_without_a_name_are_told_apart(record: Record) -> None:
    path = record([{"path": "/a", "comm": None, "pid": pid} for pid in (1, 2, None)])
    rows = json.loads(analyze(path, "--by", "process", "--json").stdout)
    assert {row["process"] for row in rows} == {"?[1]", "?[2]", None}


@pytest.mark.parametrize("key", ["file", "directory", "directory:2"])
def test_events_without_a_path_have_a_name_in_the_table(record: Record, key: str) -> None:
    path = record([{"path": ""}, {"path": None, "note": "unreadable"}])
    first = analyze(path, "--by", key).stdout.splitlines()[1]
    assert first.split()[:4] == ["(no", "path)", "2", "0"]
    assert analyze(path, "--by", key, "--csv").stdout.splitlines()[1].startswith(",2,0,")


def test_by_several(record: Record) -> None:
    rows = json.loads(analyze(record(EVENTS), "--by", "syscall,errno", "--json").stdout)
    assert [(row["syscall"], row["errno"], row["events"]) for row in rows] == [
        ("access", "EACCES", 1),
        ("openat", "ok", 1),
        ("stat", "ENOENT", 1),
        ("stat", "ok", 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], ["/etc/hosts", "/lib/x.so"]),
        (["--exclude", ""], ["/etc/hosts", "/lib/x.so", "/proc/self"]),
        (["--exclude", "/etc/,/lib"], ["/proc/self"]),
        (["--exclude", "/etc/", "--exclude", "/proc/"], ["/lib/x.so"]),
        (["--max-unique-files", "1"], ["/lib/x.so"]),
        (["--profile", "go-snoop"], ["/etc/hosts"]),
    ],
)
def test_settings(record: Record, arguments: list[str], files: list[str]) -> None:
    done = analyze(record(EVENTS), *arguments, "--json")
    assert json.loads(done.stdout)["containers"][0]["files"] == files


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["/nowhere"], 1, "there is no capture at /nowhere"),
        (["."], 1, "holds no capture"),
        ([], 0, "Usage"),
        (["--by", "syscall"], 2, "Missing argument"),
        (["x", "--profile", "other"], 2, "go-snoop"),
        (["x", "--max-unique-files", "-1"], 2, "not in the range"),
        (["x", "--nonsense"], 2, "No such option"),
        (["lru", "x", "--capacity", "9" * 20], 2, "is not in the range"),
        (["fils", "x"], 2, "there is no command and no capture 'fils'; did you mean 'files'?"),
        (["sesions"], 2, "did you mean 'sessions'?"),
        (["cap", "misses"], 2, "there is no capture 'misses'; the command comes first: "),
        (["a b", "c", "unused", "--image", "x"], 2, "first: snoop-analyze unused 'a b' c\n"),
        (["cap", "--container", "misses"], 1, "there is no capture at cap"),
        (["x", "--csv", "--json"], 2, "--csv, --json and --parquet exclude each other"),
        (["files", "x", "--parquet", "-", "--json"], 2, "exclude each other"),
        (["tail", "x", "--lines", "9" * 20], 2, "is not in the range"),
        (["tail", "x", "--interval", "9" * 20], 2, "is too long"),
        (["startup", "x", "--seconds", "-1"], 2, "is not in the range"),
    ],
)
def test_bad_input(arguments: list[str], status: int, sentence: str) -> None:
    done = analyze(*arguments)
    assert done.returncode == status or (not arguments and done.returncode in (0, 2))
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--memory-limit", "1KB"], "memory_limit cannot be '1KB': it has to be at least 32MiB"),
        (["--exclude", "tmp"], "exclude has 'tmp', but paths begin with /: write '/tmp'"),
        (
            ["--syscall", "opennn"],
            "there is no system call 'opennn'; the capture has access, openat",
        ),
        (["--memory-limit", "100KB"], "memory_limit cannot be '100KB': it has to be at least"),
        (["--max-unique-files", "9" * 20], f"max_unique_files cannot be {'9' * 20}: it is at most"),
        (["--syscall", ""], "--syscall names no call: leave it out to take all"),
        (["--syscall", ",,"], "--syscall names no call: leave it out to take all"),
        (["", "--strict"], "a capture is named by a path, and not by ''"),
    ],
)
def test_bad_values(record: Record, arguments: list[str], sentence: str) -> None:
    done = analyze(record(EVENTS), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"snoop-analyze: {sentence}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e11"])
def test_seconds_that_are_none(record: Record, seconds: str) -> None:
    done = analyze("startup", record(EVENTS), "--seconds", seconds)
    assert done.returncode == 2
    assert "seconds cannot be" in done.stderr.splitlines()[-1]


def test_the_least_memory_is_enough(record: Record, tmp_path: Path) -> None:
    path = record(EVENTS)
    for words in (
        [path, "--html", tmp_path / "page.html"],
        ["misses", path],
        ["startup", path],
        ["files", path],
        [path, "--by", "directory,result", "--max-unique-files", "1"],
    ):
        done = analyze(*words, "--memory-limit", "32MiB")
        assert done.returncode == 0, done.stderr


def test_no_such_key(record: Record) -> None:
    done = analyze(record(EVENTS), "--by", "colour")
    assert done.returncode == 2
    assert "no breakdown by 'colour'; choose from syscall" in done.stderr


def test_settings_that_are_nested_too_deeply(record: Record, tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(f"exclude = {'[' * 20_000}")
    done = analyze(record(EVENTS), "--config", tmp_path / "deep.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"snoop-analyze: {tmp_path}/deep.toml is nested too deeply\n"


@pytest.mark.parametrize(
    "words",
    [["--report"], ["--html"], ["--parquet"], ["export", "--to", "csv", "-o"]],
)
def test_a_full_disk_is_named(record: Record, words: list[str]) -> None:
    *command, option = words
    done = analyze(*command, record(EVENTS), option, "/dev/full")
    assert done.returncode == 1
    assert done.stderr == "snoop-analyze: cannot use /dev/full: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_told_to_end_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    capture, out = tmp_path / "capture", tmp_path / "out"
    out.mkdir()
    write_session(capture, [{"path": f"/{n}", "comm": "x" * 99} for n in range(1000)])
    rows = pq.read_table(capture / sealed_name(1)).drop_columns("seq")
    pq.write_table(pa.concat_tables([rows] * 2000), capture / sealed_name(1))
    words = ["export", str(capture), "--to", "csv", "-o", str(out / "events.csv")]
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True) as process:
        while not list(out.iterdir()) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(number)
        _, said = process.communicate()
    assert (process.returncode, said.strip()) == (128 + number, "")
    assert list(out.iterdir()) == []


def test_a_report_that_cannot_be_written(record: Record, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = analyze(record(EVENTS), "--report", tmp_path / "file" / "r.json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr


def test_an_output_may_be_a_link_to_itself(record: Record, tmp_path: Path) -> None:
    (tmp_path / "r.json").symlink_to("r.json")
    done = analyze(record(EVENTS), "--report", tmp_path / "r.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())


@pytest.mark.parametrize(
    "words",
    [
        ["--report"],
        ["--html"],
        ["--parquet"],
        *(["export", "--to", kind, "-o"] for kind in ("csv", "parquet", "slim")),
    ],
)
def test_what_cannot_be_written_is_named_as_it_was_given(
    record: Record, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "there").mkdir()
    name = tmp_path / "there" / ("x" * 256)
    *command, option = words
    done = analyze(*command, record(EVENTS), option, name)
    assert done.returncode == 1
    assert done.stderr == f"snoop-analyze: cannot use {name}: File name too long\n"


def test_a_directory_is_no_report(record: Record, tmp_path: Path) -> None:
    done = analyze(record(EVENTS), "--report", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"snoop-analyze: cannot use {tmp_path}: Is a directory\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--report"],
        ["--html"],
        ["--plot"],
        ["--parquet"],
        ["export", "--to", "slim", "-o"],
        ["startup", "--parquet"],
    ],
)
@pytest.mark.parametrize("name", ["session.json", "events-00000001.parquet", "events-00000002.svg"])
def test_no_file_of_a_session_is_written_over(record: Record, words: list[str], name: str) -> None:
    path = record(EVENTS)
    there = {one: one.read_bytes() for one in path.iterdir()}
    *command, option = words
    if option == "--plot" and not name.endswith(".svg"):
        (path / "link.svg").symlink_to(path / name)
        there[path / "link.svg"] = there[path / name]
        name = "link.svg"
    done = analyze(*command, path, option, path / name)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert f"{path / name} would be a file of the capture {path}: write to" in done.stderr
    assert {one: one.read_bytes() for one in path.iterdir()} == there


def test_a_call_that_is_known_and_not_there(record: Record) -> None:
    done = analyze(record(EVENTS), "--syscall", "openat2,io_uring:openat")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "! no event passes the filters")


def test_a_call_that_only_the_capture_knows(record: Record) -> None:
    path = record([{"path": "/a", "syscall": "openat7"}])
    assert "1 event, 1 distinct file" in analyze(path, "--syscall", "openat7").stdout


def test_a_capture_named_as_a_command_nearly(record: Record, tmp_path: Path) -> None:
    (tmp_path / "fils").symlink_to(record(EVENTS))
    done = subprocess.run(
        [*COMMAND, "fils"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_left_out_is_no_matter_of_no_losses(record: Record) -> None:
    path = record(EVENTS, segments=2)
    (path / sealed_name(2)).write_bytes(b"PAR1")
    first, second = analyze(path, "--skip-damaged").stdout.splitlines()[:2]
    assert first.startswith("! left out: ")
    assert second.endswith("no losses counted, but data was left out")


def test_truncated_segment_is_named(record: Record) -> None:
    path = record(EVENTS)
    (path / sealed_name(1)).write_bytes(b"PAR1")
    done = analyze(path)
    assert done.returncode == 1
    assert str(path / sealed_name(1)) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nothing_reaches_the_terminal_raw(record: Record) -> None:
    hostile = "/\x1b[2J\x07\u202e/x\ny\x9b"
    path = record(
        [{"path": hostile, "comm": hostile}],
        containers=[{"cgroup_id": 1, "name": hostile, "cgroup_path": hostile}],
        losses={hostile: 1},
    )
    for arguments in ([], ["--by", "process"], ["--by", "directory"], ["--by", "container"]):
        done = analyze(path, *arguments)
        assert done.returncode == 0, done.stderr
        text = (done.stdout + done.stderr).replace("\n", "")
        assert text.isprintable()
        assert "\\x1b" in text


def test_a_terminal_that_knows_only_ascii(record: Record) -> None:
    path = record([{"path": "/naïve"}])
    script = "from snoop_analysis.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"/na\\xefve" in done.stdout


@pytest.mark.parametrize("events", [1, 20_000], ids=["at the end", "on the way"])
@pytest.mark.parametrize(
    "words",
    ["{}", "{} --report -", "{} --parquet -", "files {} --csv", "tail {} --once --lines 20000",
     "export {} --to csv -o -", "export {} --to parquet -o -", "export {} --to slim -o -"],
)  # fmt: skip
def test_where_nobody_reads_it_ends_as_others_do(record: Record, words: str, events: int) -> None:
    path = record([{"path": f"/{n}"} for n in range(events)])
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *words.format(path).split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert "snoop-analyze" not in done.stderr
    assert "Error" not in done.stderr


def test_help_is_quick() -> None:
    assert min(processor_seconds("--help") for _ in range(5)) < 0.25


def processor_seconds(*arguments: str) -> float:
    """What a run costs; the time on the clock depends on what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Examples" in analyze(*arguments).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_needs_no_recorder() -> None:
    script = (
        "import sys, snoop_analysis.commands.report, snoop_analysis.capture; print(*sys.modules)"
    )
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in modules if name.split(".")[0] in ("bcc", "snoop_capture")]
