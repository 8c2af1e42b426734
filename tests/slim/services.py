# SPDX-License-Identifier: Apache-2.0
"""Root file systems with a service in each, made from Debian's packages."""

import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What debian:slim has beside the service, so that there is something to lose.
BASE = """
    apt base-files base-passwd bash coreutils dash debian-archive-keyring debianutils diffutils
    dpkg findutils grep gzip hostname init-system-helpers libc-bin login mawk mount ncurses-bin
    passwd perl-base sed tar tzdata util-linux
    """

_PROGRAMS = Path(__file__).parents[1] / "programs"

_APP = """\
import datetime, sqlite3, ssl
from flask import Flask, jsonify, request
from zoneinfo import ZoneInfo
app = Flask(__name__)

def rows(query, *values):
    with sqlite3.connect("/app/data.db") as database:
        return database.execute(query, values).fetchall()

@app.get("/")
def first():
    rows("INSERT INTO visits DEFAULT VALUES")
    return jsonify(greeting="hello", visits=len(rows("SELECT * FROM visits")) > 0)

@app.get("/names/<name>")
def name(name):
    found = rows("SELECT name FROM names WHERE name = ?", name)
    return jsonify(name=name.encode("idna").decode(), found=found)

@app.get("/time/<path:zone>")
def time(zone):
    return str(datetime.datetime(2024, 7, 1, tzinfo=ZoneInfo(zone)).utcoffset())

@app.get("/report")
def report():
    import xml.dom.minidom
    return xml.dom.minidom.parseString("<report/>").documentElement.tagName

if __name__ == "__main__":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/app/tls/cert.pem", "/app/tls/key.pem")
    app.run("127.0.0.1", PORT, ssl_context=context)
"""


@dataclass(frozen=True)
class Service:
    """A service to be slimmed.

    Attributes:
        name: what to call it.
        packages: Debian's packages that it needs.
        prepare: puts the service into a root file system, to listen on a port.
        command: what starts it; PORT may stand in it.
        url: where it answers; PORT stands in it.
        workload: the pages that are asked for while it is recorded.
        later: pages that are asked for only after slimming, and need what the rules and the
            policy keep.
        unrecorded: a page that nobody asked for, and the file that it needs.
        presets: policies that fit.
        policy: one of its own.
        options: more options of ``snoop-analyze unused``.
        broken_without: the closure rules without each of which it does not run, or answers
            something else.
    """

    name: str
    packages: tuple[str, ...]
    prepare: Callable[[Path, int], None]
    command: tuple[str, ...]
    url: str
    workload: tuple[str, ...]
    unrecorded: tuple[str, str]
    broken_without: tuple[str, ...]
    later: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    policy: str = ""
    options: tuple[str, ...] = ("--strict",)

    def command_for(self, port: int) -> list[str]:
        """What starts it on a port."""
        return [word.replace("PORT", str(port)) for word in self.command]

    def ask(self, port: int, page: str) -> tuple[int, bytes]:
        """Status and body of a page."""
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        url = self.url.replace("PORT", str(port)) + page
        try:
            with urllib.request.urlopen(url, timeout=20, context=trusting) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


_SUM = """\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
case "$QUERY_STRING" in
save) echo saved > /tmp/saved; cat /tmp/saved ;;
report) /app/report ;;
*) echo visit > /var/visits/last; echo $((6 * 7)) ;;
esac 2>&1
"""


def _script(root: Path, port: int) -> None:
    """A script of a script of busybox, which the kernel opens one after the other."""
    for name in ("bin", "app", "www/cgi-bin", "var/visits", "proc", "dev", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    applets = subprocess.run(
        ["/bin/busybox", "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    _write(root / "app/launcher", '#!/bin/sh\nexec /bin/sh "$@"\n', 0o755)
    _write(
        root / "app/service",
        f"#!/app/launcher\nexec httpd -f -p 127.0.0.1:{port} -h /www\n",
        0o755,
    )
    _write(root / "app/report", "#!/bin/env -S awk -f\nBEGIN { print 6 * 7 }\n", 0o755)
    _write(root / "www/index.html", "first\n")
    _write(root / "www/other.html", "second\n")
    _write(root / "www/cgi-bin/sum", _SUM, 0o755)


def _musl(root: Path, _: int) -> None:
    """A program of musl, its libraries where its loader is told to look, and a plug-in."""
    work = root.with_name("musl")
    work.mkdir()
    sources = {
        "libword.so": 'const char *word(void) { return "hello"; }',
        "libgreeting.so": "const char *word(void); const char *greeting(void) { return word(); }",
        "libextra.so": 'const char *extra(void) { return "plugged in"; }',
        "plugin.so": "const char *extra(void); const char *text(void) { return extra(); }",
    }
    needs = {"libgreeting.so": "-lword", "plugin.so": "-lextra"}
    for name, source in sources.items():
        words = ["musl-gcc", "-shared", "-fPIC", "-xc", "-", "-o", name, "-xnone", "-L."]
        words += [needs[name]] if name in needs else []
        subprocess.run(words, input=source, text=True, cwd=work, check=True)
    words = ["musl-gcc", str(_PROGRAMS / "plugins.c"), "-o", "plugins", "-L.", "-lgreeting"]
    subprocess.run([*words, "-Wl,-rpath-link,."], cwd=work, check=True)
    places = {"plugins": "app", "plugin.so": "opt/plugins", "libword.so": "opt/lib"}
    for file in work.iterdir():
        place = root / places.get(file.name, "usr/lib")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    (root / "lib").mkdir()
    shutil.copy("/lib/ld-musl-x86_64.so.1", root / "lib")
    _write(root / "etc/ld-musl-x86_64.path", "/usr/lib:/opt/lib\n/opt/plugins\n")
    _write(root / "app/other", "not recorded\n")
    _write(root / "data/page", "outside of the root\n")
    for name in ("proc", "dev"):
        (root / name).mkdir()


def _nginx(root: Path, port: int) -> None:
    _write(
        root / "etc/nginx/sites-enabled/default",
        f"server {{ listen 127.0.0.1:{port}; root /var/www/html; index index.html; }}\n",
    )
    _write(root / "var/www/html/index.html", "first\n" * 999)
    _write(root / "var/www/html/other.html", "second\n")
    _write(root / "var/www/html/deep/page.html", "deep\n")


def _python(root: Path, port: int) -> None:
    _write(root / "app/app.py", _APP.replace("PORT", str(port)))
    (root / "app/tls").mkdir()
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost"
    subprocess.run(
        [*request.split(), "-keyout", root / "app/tls/key.pem", "-out", root / "app/tls/cert.pem"],
        check=True,
        capture_output=True,
    )
    make = (
        "import sqlite3; database = sqlite3.connect('/app/data.db'); "
        "database.execute('CREATE TABLE visits (id INTEGER PRIMARY KEY)'); "
        "database.execute('CREATE TABLE names (name)'); "
        "database.execute(\"INSERT INTO names VALUES ('Ada')\"); database.commit()"
    )
    subprocess.run(["chroot", root, "python3", "-c", make], check=True)
    compile_all = "compileall -q /usr/lib/python3 /usr/lib/python3.11"  # as Debian's packages do
    subprocess.run(["chroot", root, "python3", "-m", *compile_all.split()], check=False)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


SERVICES = {
    one.name: one
    for one in (
        Service(
            name="script",
            packages=(),
            prepare=_script,
            command=("/app/service",),
            url="http://127.0.0.1:PORT",
            workload=("/", "/cgi-bin/sum", "/missing"),
            later=("/cgi-bin/sum?save", "/cgi-bin/sum?report"),
            unrecorded=("/other.html", "/www/other.html"),
            policy="keep: [/app/report]",
            broken_without=("link", "parent", "script", "runtime"),
        ),
        Service(
            name="outside",
            packages=(),
            prepare=_musl,
            command=("/app/plugins", "PORT"),
            url="http://127.0.0.1:PORT",
            workload=("/", "/outside"),
            unrecorded=("/other", "/app/other"),
            options=(),  # a name that has no directory makes it uncertain
            broken_without=("nameless",),
        ),
        Service(
            name="musl",
            packages=(),
            prepare=_musl,
            command=("/app/plugins", "PORT"),
            url="http://127.0.0.1:PORT",
            workload=("/", "/missing"),
            later=("/plugin",),
            unrecorded=("/other", "/app/other"),
            policy="keep: [/opt/plugins/plugin.so]",
            broken_without=("library",),
        ),
        Service(
            name="nginx",
            packages=("nginx-light",),
            prepare=_nginx,
            command=("/usr/sbin/nginx", "-g", "daemon off;"),
            url="http://127.0.0.1:PORT",
            workload=("/", "/deep/page.html", "/missing"),
            unrecorded=("/other.html", "/var/www/html/other.html"),
            presets=("nginx",),
            broken_without=("link", "interpreter"),
        ),
        Service(
            name="python",
            packages=("python3", "python3-flask", "ca-certificates"),
            prepare=_python,
            command=("/usr/bin/python3", "/app/app.py"),
            url="https://127.0.0.1:PORT",
            workload=("/", "/names/Ada", "/names/J%C3%BCrgen", "/time/Europe/Rome", "/missing"),
            later=("/time/Asia/Tokyo",),
            unrecorded=("/report", "/usr/lib/python3.11/xml/dom/minidom.py"),
            presets=("python",),
            options=("--strict", "--drop-looked-at"),
            broken_without=("link", "set", "bytecode"),
        ),
    )
}


def build(service: Service, root: Path, port: int) -> Path:
    """The root file system of a service, packages and all."""
    root.mkdir()
    if service.packages:
        for deb in download((*BASE.split(), *service.packages), root.with_name("packages")):
            _unpack(deb, root)
        _configure(root)
    service.prepare(root, port)
    return root


def download(packages: Sequence[str], directory: Path) -> list[Path]:
    """Debian's packages and all that they depend on, as if none were installed."""
    (directory / "partial").mkdir(parents=True)
    (directory / "status").touch()
    options = {
        "Dir::State::status": directory / "status",
        "Dir::Cache::archives": directory,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    words += ["install", "-y", "--no-install-recommends", "--download-only", *packages]
    if subprocess.run(["apt-get", *words], capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)
        subprocess.run(["apt-get", *words], check=True, capture_output=True)
    return sorted(directory.glob("*.deb"))


def _unpack(deb: Path, root: Path) -> None:
    """Unpack a package as debootstrap does, and write down that it is installed, as dpkg does."""
    for name in ("bin", "sbin", "lib", "lib64"):  # Debian's merged /usr
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    data = root.with_name("data.tar")
    with data.open("wb") as file:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=file, check=True)
    subprocess.run(["tar", "-xf", data, "--keep-directory-symlink", "-C", root], check=True)
    listed = subprocess.run(["tar", "-tf", data], capture_output=True, text=True, check=True).stdout
    data.unlink()
    fields = subprocess.run(
        ["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True
    ).stdout
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    name = deb.name.partition("_")[0]
    names = [line.removeprefix(".").rstrip("/") or "/." for line in listed.splitlines()]
    (info / f"{name}.list").write_text("\n".join(names) + "\n")
    first, _, rest = fields.partition("\n")
    with (root / "var/lib/dpkg/status").open("a") as status:
        status.write(f"{first}\nStatus: install ok installed\n{rest}\n")


def _configure(root: Path) -> None:
    """What the packages' scripts do as far as a service needs it."""
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    for name in ("proc", "dev", "sys", "tmp", "run", "var/log/nginx", "var/lib/nginx"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shell = root / "usr/bin/sh"
    if not shell.exists():
        shell.symlink_to("dash")
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    nsswitch = root / "usr/share/libc-bin/nsswitch.conf"
    if nsswitch.exists():
        shutil.copy(nsswitch, root / "etc/nsswitch.conf")
    subprocess.run(["ldconfig", "-r", root], check=True, capture_output=True)
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    if certificates:
        place = root / "etc/ssl/certs"
        place.mkdir(parents=True, exist_ok=True)
        (place / "ca-certificates.crt").write_bytes(
            b"".join(one.read_bytes() for one in certificates)
        )


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def size(root: Path) -> int:
    """Bytes of the files below a directory, each once."""
    seen = {}
    for directory, _, names in os.walk(root):
        for name in names:
            status = (Path(directory) / name).lstat()
            seen[status.st_ino] = status.st_size
    return sum(seen.values())
