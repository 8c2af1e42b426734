# SPDX-License-Identifier: Apache-2.0
"""What strace shows of a program is what a recording of it holds, and nothing else."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import pytest

from bench.fidelity import (
    Call,
    StraceError,
    compare,
    made_equal,
    one_run,
    parse_strace,
    table_here,
)
from bench.fidelity import capture as recorded_calls
from bench.fidelity import strace as strace_calls
from snoop_capture.syscalls import Syscall

LONG_AGO = 1_500_000_000  # a time stamp; git looks again at files that are as new as its index

# Programs that do the same whenever they run in a fresh copy of the same directory, but for
# names that they make up.
GCC_TEMPORARY = {r"^/tmp/cc[A-Za-z0-9]{6}(?=\.|$)": "/tmp/ccMADEUP"}
PIDS = {r"^/proc/[0-9]+": "/proc/PID"}
GIT_TEMPORARY = {
    r"/tmp_obj_[A-Za-z0-9]{6}$": "/tmp_obj_MADEUP",
    r"/\.git/t[A-Za-z0-9]{6}$": "/.git/tMADEUP",
}
GIT = (
    # An object's name depends on the time of the commit.
    "export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z && "
    "git -c init.defaultBranch=main init -q . && git add . && "
    "git -c gc.auto=0 -c maintenance.auto=false -c user.name=n -c user.email=e commit -q -m m && "
    "git log --stat && git status"
)
# What the programs below do.
TOOLS = (
    "mkdir new && cd new && cp -a ../d copy && mv copy moved && ln -s moved s && "
    "ln s/'file 1' l && chmod 600 l && chown -h 1:1 s && touch -d @0 l && truncate -s 5 l && "
    "mkfifo f && stat -L s && df . && rm -r moved f && rmdir ../nothing; "
    "cd .. && chroot . no-such-program"
)
MOUNTS = (
    "mount -t tmpfs none d && mkdir d/x && mount --bind d/x d && cd d && cd .. && "
    "umount d && umount d; umount d"
)
# Each call once with a plain path and once relative to a descriptor, with success and without.
CALLS = """
import os
os.mkdir('m')
here = os.open('m', os.O_RDONLY)
for where in ({}, {'dir_fd': here}):
    both = {'src_dir_fd': here, 'dst_dir_fd': here} if where else {}
    os.mkdir('a', **where)
    open(os.open('a/b', os.O_CREAT | os.O_WRONLY, **where)).close()
    os.link('a/b', 'c', **both)
    os.symlink('c', 'd', **where)
    os.readlink('d', **where)
    os.rename('c', 'e', **both)
    os.chmod('e', 0o600, **where)
    os.chown('e', 1, 1, **where)
    os.utime('e', (1, 1), **where)
    os.access('e', os.R_OK, **where)
    os.stat('e', **where)
    os.mkfifo('f', **where)
    os.unlink('f', **where)
    for call in (os.rmdir, os.unlink, os.mkdir, os.readlink):
        try:
            call('a/b/no', **where)
        except OSError:
            pass
os.truncate('e', 3)
os.setxattr('e', 'user.x', b'1')
os.getxattr('e', 'user.x')
os.listxattr('e')
os.removexattr('e', 'user.x')
os.statvfs('e')
os.chdir('m')
os.chroot('..')
"""
PROGRAMS: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
    "cat": (["cat", "/etc/hostname"], {}),
    "shell pipeline": (["sh", "-c", "cat a.c d/* | sort | uniq -c | wc -l; no-such-program"], {}),
    "python": (["/usr/bin/python3", "-c", "import json, sqlite3, email.message"], {}),
    "git": (["sh", "-c", GIT], GIT_TEMPORARY),
    "gcc": (["gcc", "-O1", "-o", "program", "a.c"], GCC_TEMPORARY),
    "tar": (["tar", "-czf", "all.tar.gz", "--exclude=all.tar.gz", "."], {}),
    "file tools": (["sh", "-c", TOOLS], {}),
    "one of each": (["/usr/bin/python3", "-I", "-c", CALLS], {}),
    "mounts": (["unshare", "-m", "sh", "-c", MOUNTS], PIDS),
    "find": (["find", ".", "-type", "f", "-newer", "a.c", "-o", "-size", "+1k"], {}),
}


# Programs that never do the same twice, in one run with strace. They find the files of refill().
WEB_SERVER = """
import concurrent.futures, http.client, http.server, threading
kind = http.server.SimpleHTTPRequestHandler
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), kind)
threading.Thread(target=server.serve_forever).start()
def get(number):
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port)
    connection.request('GET', f'/d/file%20{number % 25}')
    return connection.getresponse().status
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sorted(set(pool.map(get, range(200)))) == [200, 404]
server.shutdown()
"""
NGINX = """
import os, socket, subprocess, time
here = os.getcwd()
with open('nginx.conf', 'w') as file:
    file.write(f'user root; daemon off; worker_processes 2; pid {here}/pid; events {{}} ')
    file.write(f'error_log {here}/errors; http {{ access_log off; ')
    file.write(f'server {{ listen unix:{here}/socket; root {here}; }} }}')
server = subprocess.Popen(['nginx', '-p', here, '-c', 'nginx.conf'], stderr=subprocess.DEVNULL)
def get(number):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect('socket')
        path = f'/d/file%20{number % 25}'
        connection.sendall(f'GET {path} HTTP/1.0\\r\\n\\r\\n'.encode())
        return connection.makefile('rb').readline().split()[1]
while not os.path.exists('socket'):
    time.sleep(0.1)
assert {get(number) for number in range(100)} == {b'200', b'404'}
server.send_signal(3)
assert server.wait() == 0
"""
NODE = """
const fs = require('fs');
Promise.all(fs.readdirSync('d').map(name => fs.promises.readFile('d/' + name).catch(() => 0)))
  .then(() => fs.promises.stat('missing')).catch(() => fs.writeFileSync('new', 'text'));
"""
CLONE = (
    "git -c init.defaultBranch=main init -q r && cp -r a.c d r && cd r && git add . && "
    "git -c user.name=n -c user.email=e commit -q -m m && cd .. && "
    "git clone -q r clone && git clone -q --no-local r copy && ls copy/d"
)
BUSYBOX = """
for file in d/*; do [ -f "$file" ] && cat "$file"; done | sort | uniq -c > counts
cp -r d e; mv e f; ln -s f g; find g/ -name 'file 1*' -exec ls -l {} +; rm -r f; tar cf t d; ls d
"""
LIVE: dict[str, Sequence[str]] = {
    "apt-get": ["sh", "-c", "apt-get -qq --simulate install busybox; apt-cache policy tar"],
    "git clone": ["sh", "-c", CLONE],
    "python web server": ["/usr/bin/python3", "-c", WEB_SERVER],
    "nginx": ["/usr/bin/python3", "-c", NGINX],
    "node": ["node", "-e", NODE],
    "busybox": ["busybox", "sh", "-c", BUSYBOX],
    "gcc": ["gcc", "-O1", "-o", "program", "a.c"],
    "tar": ["sh", "-c", "tar -czf all.tgz a.c d && mkdir x && tar -xzf all.tgz -C x"],
    "find": ["find", "/etc", "-xdev", "-newer", "a.c", "-perm", "/111"],
}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A directory with some files; ``refill`` makes it so again."""
    refill(tmp_path / "work")
    return tmp_path / "work"


def refill(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "d" / "e").mkdir(parents=True)
    (directory / "a.c").write_text('#include <stdio.h>\nint main(void) { return puts("a"); }\n')
    for number in range(20):
        (directory / "d" / f"file {number}").write_text("line\n" * number)
    (directory / "d" / "e" / "link").symlink_to("../file 1")
    (directory / "d" / "e" / "dangling").symlink_to("nowhere")
    for file in directory.rglob("*"):
        os.utime(file, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def without_pid_length(calls: Iterable[Call]) -> list[Call]:
    """A successful readlink of /proc/self returns the number of digits of the pid."""
    own = ("readlink", b"/proc/self")
    return [
        call._replace(result=1) if (call.syscall, call.path) == own and call.result else call
        for call in calls
    ]


@pytest.mark.bpf
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recording_holds_what_strace_shows(name: str, fresh: Path) -> None:
    command, rules = PROGRAMS[name]
    strace_calls(command, fresh)  # fills the program's own caches, such as Python's .pyc files
    refill(fresh)
    shown = without_pid_length(made_equal(strace_calls(command, fresh), rules))
    refill(fresh)
    recorded = without_pid_length(made_equal(recorded_calls(command, fresh), rules))
    comparison = compare(shown, recorded)
    assert len(shown) > 20
    assert not comparison.missing, "\n".join(comparison.lines())
    assert not comparison.extra, "\n".join(comparison.lines())


@pytest.mark.bpf
@pytest.mark.parametrize("name", LIVE)
def test_a_recording_holds_what_strace_shows_of_the_same_run(name: str, fresh: Path) -> None:
    program = "nginx" if name == "nginx" else LIVE[name][0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    shown, recorded = one_run(LIVE[name], fresh)
    comparison = compare(chain(*shown.values()), chain(*recorded.values()))
    assert sum(map(len, shown.values())) > 20
    assert not comparison.missing, "\n".join(comparison.lines())
    assert not comparison.extra, "\n".join(comparison.lines())
    assert recorded == shown  # each thread's calls in their order


TWO_PATHS = Syscall("renameat2", (2, 4), (1, 3), flags=5, roles=("old", "new"))
TABLE = table_here() | {"renameat2": TWO_PATHS}

# Lines of strace, and what they say.
OUTPUT: dict[str, tuple[str, list[Call]]] = {
    "a descriptor": (
        '7  openat(AT_FDCWD, "\\x2f\\x61", O_RDONLY|O_CLOEXEC) = 3\n',
        [Call("openat", None, b"/a", 3)],
    ),
    "an error": (
        '7  access("\\x61", R_OK) = -1 ENOENT (No such file or directory)\n',
        [Call("access", None, b"a", -2)],
    ),
    "commas and brackets before the path's end": (
        '7  execve("\\x61", ["\\x2c\\x29", "\\x22"], 0x7ffc /* 3 vars */) = 0\n',
        [Call("execve", None, b"a", 0)],
    ),
    "an empty path": (
        '7  newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=1, ...}, AT_EMPTY_PATH) = 0\n',
        [Call("newfstatat", None, b"", 0)],
    ),
    "a null pointer": (
        "7  openat(AT_FDCWD, NULL, O_RDONLY) = -1 EFAULT (Bad address)\n",
        [Call("openat", None, None, -14)],
    ),
    "a bad pointer": (
        "7  openat(AT_FDCWD, 0x10, O_RDONLY) = -1 EFAULT (Bad address)\n",
        [Call("openat", None, None, -14)],
    ),
    "a path beyond PATH_MAX": (
        '7  access("\\x61"..., F_OK) = -1 ENAMETOOLONG (File name too long)\n',
        [Call("access", None, None, -36)],
    ),
    "a call in two parts": (
        '7  openat(AT_FDCWD, "\\x61", O_RDONLY <unfinished ...>\n'
        '8  access("\\x62", F_OK)      = 0\n'
        "7  <... openat resumed>)             = 3\n",
        [Call("access", None, b"b", 0), Call("openat", None, b"a", 3)],
    ),
    "a call that ends with the process": (
        '7  openat(AT_FDCWD, "\\x61", O_RDONLY <unfinished ...>\n7  +++ killed by SIGKILL +++\n',
        [Call("openat", None, b"a", None)],
    ),
    "a call that a signal restarts": (
        '7  openat(AT_FDCWD, "\\x61", O_RDONLY) = ? ERESTARTSYS (To be restarted if SA_RESTART)\n'
        "7  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---\n"
        '7  openat(AT_FDCWD, "\\x61", O_RDONLY) = 3\n',
        [Call("openat", None, b"a", None), Call("openat", None, b"a", 3)],
    ),
    "a thread that becomes the process": (
        '8  execve("\\x61", ["\\x61"], 0x7ffc /* 3 vars */ <pid changed to 7 ...>\n'
        "7  +++ superseded by execve in pid 8 +++\n"
        "7  <... execve resumed>)             = 0\n",
        [Call("execve", None, b"a", 0)],
    ),
    "two paths": (
        '7  renameat2(AT_FDCWD, "\\x61", AT_FDCWD, "\\x62", RENAME_NOREPLACE) = 0\n',
        [Call("renameat2", "old", b"a", 0), Call("renameat2", "new", b"b", 0)],
    ),
    "a call that is not in the table": ('7  no_such_call("\\x61") = 0\n', []),
}


@pytest.mark.parametrize("name", OUTPUT)
def test_output_of_strace_is_read(name: str) -> None:
    text, calls = OUTPUT[name]
    shown = [call for _, call in parse_strace(text.splitlines(keepends=True), TABLE)]
    assert shown == calls


@pytest.mark.parametrize("line", ["hello\n", "7  hello\n", "7  access({a=1}, F_OK) = 0\n"])
def test_output_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(StraceError):
        list(parse_strace([line], TABLE))


def test_a_comparison_counts_each_difference() -> None:
    once, twice = Call("access", None, b"a", 0), Call("access", None, b"b", -2)
    comparison = compare([once, twice, twice], [once, once, twice])
    assert comparison.missing == {twice: 1}
    assert comparison.extra == {once: 1}
    assert "access                   3        3    66.7%      66.7%" in list(comparison.lines())


def test_names_are_made_equal_by_rule_only() -> None:
    calls = [Call("openat", None, path, 3) for path in (b"/tmp/cc1aB2cD.o", b"/tmp/cc.o", None)]
    assert [call.path for call in made_equal(calls, GCC_TEMPORARY)] == [
        b"/tmp/ccMADEUP.o",
        b"/tmp/cc.o",
        None,
    ]
