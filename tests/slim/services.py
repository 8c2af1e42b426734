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

_APP = """\
import sqlite3, ssl
from flask import Flask, jsonify, request
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
        command: what starts it.
        url: where it answers; PORT stands in it.
        workload: the pages that are asked for while it is recorded.
        unrecorded: a page that is not, and the file that it needs.
        presets: policies that fit.
        broken_without: a closure rule without which it cannot run.
    """

    name: str
    packages: tuple[str, ...]
    prepare: Callable[[Path, int], None]
    command: tuple[str, ...]
    url: str
    workload: tuple[str, ...]
    unrecorded: tuple[str, str]
    presets: tuple[str, ...]
    broken_without: str

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


def _script(root: Path, port: int) -> None:
    """A script of a script of busybox, which the kernel opens one after the other."""
    for name in ("bin", "app", "www/cgi-bin", "proc", "dev", "tmp"):
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
    _write(root / "www/index.html", "first\n")
    _write(root / "www/other.html", "second\n")
    _write(
        root / "www/cgi-bin/sum",
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s\\n' $((6 * 7))\n",
        0o755,
    )


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
            unrecorded=("/other.html", "/www/other.html"),
            presets=(),
            broken_without="link",
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
            broken_without="link",
        ),
        Service(
            name="python",
            packages=("python3", "python3-flask", "ca-certificates"),
            prepare=_python,
            command=("/usr/bin/python3", "/app/app.py"),
            url="https://127.0.0.1:PORT",
            workload=("/", "/names/Ada", "/names/J%C3%BCrgen", "/missing"),
            unrecorded=("/report", "/usr/lib/python3.11/xml/dom/minidom.py"),
            presets=("python",),
            broken_without="link",
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
