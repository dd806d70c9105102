"""Private instances of Redis and PostgreSQL in temporary folders, on Unix sockets, ended with the block."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


class Database:
    """A running server."""

    def __init__(self, address: str, ready: Path, command: Sequence[str], stop: signal.Signals) -> None:
        self.address = address
        self._ready, self._command, self._stop = ready, command, stop
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it, on what it has kept."""
        with (self._ready.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._ready.parent, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self._ready.parent / "log").read_text()
            assert time.monotonic() < deadline, (self._ready.parent / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._ready))
            except OSError:
                return False
        return True

    def crash(self) -> None:
        """Ends it at once."""
        assert self._process is not None
        self._process.send_signal(self._stop)
        self._process.wait(timeout=30)

    def freeze(self, frozen: bool) -> None:
        """Connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


def find(program: str) -> str:
    """Where a program is: in the path, or where Debian keeps those of PostgreSQL."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    if found is None:
        missing = f"{program} is not installed: run scripts/services.sh setup"
        assert "CI" not in os.environ, missing
        pytest.skip(f"SKIPPED: {missing}")
    return found


@contextmanager
def _running(address: str, ready: Path, command: Sequence[str], stop: signal.Signals) -> Iterator[Database]:
    database = Database(address, ready, command, stop)
    try:
        yield database
    finally:
        database.freeze(False)
        database.crash()


@contextmanager
def redis(*options: str) -> Iterator[Database]:
    """A Redis that writes everything to its disk."""
    program = find("redis-server")
    with tempfile.TemporaryDirectory(prefix="imagxp-redis-") as folder:
        ready = Path(folder) / "redis.sock"
        command = ["setpriv", "--pdeathsig=KILL", program, "--port", "0", "--save", "", "--unixsocket", ready.name]
        command += ["--appendonly", "yes", "--appendfsync", "always", *options]
        with _running(f"redis+unix://{ready}", ready, command, signal.SIGKILL) as database:
            yield database


def authority(folder: Path) -> tuple[Path, Path, Path]:
    """An authority of one's own, and a certificate of it for `localhost` with its key: PEM files."""
    program = find("openssl")
    ca, ca_key, chain, key = (folder / name for name in ("ca.pem", "ca.key", "chain.pem", "key.pem"))
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    usual = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    of_a_server = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    for more in (
        ["-subj", "/CN=an authority", "-keyout", ca_key, "-out", ca, *usual],
        ["-subj", "/CN=localhost", "-keyout", key, "-out", chain, "-CA", ca, "-CAkey", ca_key, *of_a_server],
    ):
        made = subprocess.run([program, "req", "-x509", *new, *more], capture_output=True)
        assert made.returncode == 0, made.stderr
    return ca, chain, key


@contextmanager
def postgres() -> Iterator[Database]:
    """A PostgreSQL."""
    initdb, program = find("initdb"), find("postgres")
    with tempfile.TemporaryDirectory(prefix="imagxp-postgres-") as folder:
        place = Path(folder)
        # PostgreSQL refuses to run as root.
        become = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres" if _exists("postgres") else "nobody")
            os.chown(place, user.pw_uid, user.pw_gid)
            become += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        create = [*become, initdb, "--auth=trust", "--username=postgres", "--no-sync", str(place / "data")]
        made = subprocess.run(create, cwd=place, capture_output=True)
        assert made.returncode == 0, made.stderr
        command = [*become, program, "-D", str(place / "data"), "-c", "listen_addresses="]
        command += ["-c", f"unix_socket_directories={place}", "-c", "shared_buffers=16MB"]
        address = f"host={place} user=postgres dbname=postgres"
        with _running(address, place / ".s.PGSQL.5432", command, signal.SIGQUIT) as database:
            yield database


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
