"""Private database servers on this machine, each in a folder of its own and on the loopback; they die with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from osa_luigi.runner.lifeline import die_with

PASSWORD = "s3cret:/@%"
"""Of the user `osa`: with what an URL would have to quote."""

PACKAGES = ("postgresql", "mariadb-server")


def find(program: str) -> str | None:
    """Where a program is; Debian puts PostgreSQL's own aside."""
    places = [
        *os.get_exec_path(),
        "/usr/sbin",
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    return shutil.which(program, path=os.pathsep.join(places))


class Server(ABC):
    """A server; made by `running`."""

    programs: tuple[str, ...]
    scheme: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def why_not(cls) -> str:
        """Why it cannot be run here; empty if it can."""
        missing = [program for program in cls.programs if find(program) is None]
        return f"not installed: {', '.join(missing)} (apt-get install {' '.join(PACKAGES)})" if missing else ""

    @property
    def url(self) -> str:
        """For `ledger.url`."""
        return f"{self.scheme}://osa@127.0.0.1:{self.port}/osa"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._start()
        end = time.monotonic() + 120
        while not self._answers():
            if time.monotonic() > end or self._process.poll() is not None:
                raise TimeoutError(f"{self.scheme} did not come up: {(self.folder / 'out').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """At once."""
        if self._process:
            self._process.kill()
            self._process.wait()

    @abstractmethod
    def make(self) -> None:
        """Make its files."""

    @abstractmethod
    def _start(self) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    @abstractmethod
    def prepare(self) -> None:
        """Make the database and its user."""

    def _run(self, command: Sequence[str], user: str | None = None, **more: str) -> str:
        done = subprocess.run(
            command,
            user=user,
            group=_group(user),
            extra_groups=[] if user else None,
            env={**os.environ, **more},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise OSError(f"{command[0]}: {done.stderr[-1000:]}")
        return done.stdout

    def _background(self, command: Sequence[str], user: str | None = None) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(
                command,
                user=user,
                group=_group(user),
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                preexec_fn=lambda: die_with(parent),
            )


class PostgreSQL(Server):
    """PostgreSQL; it refuses to be root's, and is then the user postgres's."""

    programs = ("initdb", "postgres", "psql")
    scheme = "postgresql"

    @property
    def _user(self) -> str | None:
        return "postgres" if os.geteuid() == 0 else None

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self._user:
            shutil.chown(self.folder, self._user)
        options = [
            "-D",
            str(self.folder / "data"),
            "-U",
            "osa",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
        ]
        self._run([str(find("initdb")), *options, "-E", "UTF8", "--locale=C"], self._user)

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "shared_buffers": "32MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return self._background([str(find("postgres")), "-D", str(self.folder / "data"), *options], self._user)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("SELECT 1"))
        except OSError:
            return False

    def prepare(self) -> None:
        self.ask("CREATE DATABASE osa")

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What psql prints."""
        address = f"host=127.0.0.1 port={self.port} user=osa dbname={database}"
        return self._run([str(find("psql")), address, "-XAtc", statement], PGPASSWORD=PASSWORD)


class MariaDB(Server):
    """MariaDB."""

    programs = ("mariadbd", "mariadb-install-db", "mariadb")
    scheme = "mariadb"

    @property
    def _options(self) -> list[str]:
        return [
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            *([f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]),
        ]

    def make(self) -> None:
        own = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        self._run([str(find("mariadb-install-db")), *self._options, *own])

    def _start(self) -> subprocess.Popen[bytes]:
        own = [
            f"--socket={self.folder / 'sock'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--port={self.port}",
            *("--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve"),
            *("--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M", "--performance-schema=OFF"),
        ]
        return self._background([str(find("mariadbd")), *self._options, *own])

    def _answers(self) -> bool:
        try:
            return bool(self.ask("SELECT 1"))
        except OSError:
            return False

    def prepare(self) -> None:
        self.ask("CREATE DATABASE osa")
        self.ask(f"CREATE USER osa@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        self.ask("GRANT ALL ON osa.* TO osa@'127.0.0.1'")

    def ask(self, statement: str) -> str:
        """What the client prints."""
        return self._run(
            [str(find("mariadb")), "--no-defaults", "-S", str(self.folder / "sock"), "-uroot", "-e", statement]
        )


@contextmanager
def running(kind: Callable[[Path], Server]) -> Iterator[Server]:
    """A server with the empty database `osa` and its user; nothing of it is left."""
    folder = Path(mkdtemp(prefix="osa-server-", dir="/tmp"))  # a socket's path must be short
    folder.chmod(0o755)
    server = kind(folder)
    try:
        server.make()
        server.start()
        server.prepare()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
