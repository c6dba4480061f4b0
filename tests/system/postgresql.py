"""A PostgreSQL server of a test's own, as Debian installs the program."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")
PATIENCE = 60.0


@dataclass(frozen=True)
class PostgreSQL:
    """A running server on 127.0.0.1; everybody needs a password."""

    programs: Path
    port: int
    password: str
    """Of the superuser postgres, and of roles that `run_sql` files make."""

    def run(self, program: str, *arguments: str, user: str = "postgres") -> str:
        """What one of PostgreSQL's programs says, run as a role of the server."""
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", user]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(
            [self.programs / program, *connection, *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def url(self, user: str, database: str) -> str:
        """How a program is told of a database."""
        return f"postgresql+psycopg2://{user}:{self.password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Start a server on a free port, as another user where this one is root, and stop it by its pid."""
    programs = max(DEBIAN.glob("*/bin"), default=None)
    if programs is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    # PostgreSQL refuses to run as root.
    drop = [] if os.geteuid() else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    folder = Path(tempfile.mkdtemp(prefix="canonry-postgresql-"))
    password = secrets.token_hex(16)
    try:
        (folder / "password").write_text(password)
        if drop:
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody", "nogroup")
        data = folder / "data"
        made = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256"]
        subprocess.run([*drop, *made, f"--pwfile={folder}/password"], check=True, stdout=subprocess.DEVNULL)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with open(folder / "log", "wb") as log, subprocess.Popen([*drop, *command], stderr=log) as server:
            try:
                found = PostgreSQL(programs, port, password)
                _wait(found, server, folder / "log")
                yield found
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(timeout=PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: PostgreSQL, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    ready = [server.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    while subprocess.run(ready).returncode:
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.1)
