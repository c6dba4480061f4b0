"""Servers whose packages do not go together with Canonry's: in environments of their own, made once, on this machine.

Environments are kept under XDG_CACHE_HOME: a folder for each version of the packages and of Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

from filelock import FileLock

from canonry.progress import track

_PATIENCE = 600
_SECONDS_TO_STOP = 15


class ServerFailed(Exception):
    """A server or its environment could not be made; the message has the end of its log."""


def environment(packages: Path) -> Path:
    """The virtual environment of a file of pinned packages, made where it is missing. Raises ServerFailed."""
    made_from = packages.read_bytes() + f"python {sys.version_info.major}.{sys.version_info.minor}".encode()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "canonry"
    folder = root / f"{packages.stem}-{hashlib.sha256(made_from).hexdigest()[:16]}"
    return made_once(folder / "venv", lambda target: _install(packages, target))


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills where it is missing, once, though several ask for it at one time."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(target.parent / ".lock"):
            if not target.exists():
                with beside(target) as folder:
                    make(folder)
    return target


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A folder that gets the target's name when all is done; what an earlier attempt left is removed."""
    folder = target.with_name(f"{target.name}.making")
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    os.replace(folder, target)


@contextmanager
def started(
    name: str, command: Sequence[str], find_url: Callable[[str], str | None], log: Path, variables: Mapping[str, str]
) -> Iterator[tuple[str, int]]:
    """URL and process id of a server that is up, terminated at the end. Raises ServerFailed.

    `find_url`: from what the server said so far, a URL that answers 200 once it is up, or None. `variables` are all of
    its environment. Its input stays open and empty for as long as we live: a server that must not outlive us reads it.
    """
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=dict(variables), cwd=log.parent
        )
    try:
        yield _wait_until_up(name, process, find_url, log), process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
        if process.poll() is None:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _install(packages: Path, folder: Path) -> None:
    venv.create(folder, with_pip=True)
    log = folder / "install.log"
    # Python compiles what a server imports when it does: much of what is installed it never does.
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(packages)]
    with (
        open(log, "wb") as output,
        subprocess.Popen(pip, stdout=output, stderr=output) as process,
    ):
        for _ in track(_seconds(process), f"Install {packages.stem}, once (seconds)"):
            pass
    if process.returncode:
        raise ServerFailed(f"{packages.stem} could not be installed:\n{_tail(log)}")


def _wait_until_up(
    name: str, process: subprocess.Popen[bytes], find_url: Callable[[str], str | None], log: Path
) -> str:
    for waited in track(_seconds(process), f"Start {name} (seconds)"):
        url = find_url(log.read_text(errors="replace"))
        if url and _is_up(url):
            return url
        if waited > _PATIENCE:
            raise ServerFailed(f"{name} does not answer after {_PATIENCE} seconds:\n{_tail(log)}")
    raise ServerFailed(f"{name} ended with status {process.returncode}:\n{_tail(log)}")


def _is_up(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=10) as response:
            return bool(response.status == 200)
    except (URLError, OSError, ValueError):
        return False


def _seconds(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Counts seconds while a process lives."""
    began = time.monotonic()
    while process.poll() is None:
        yield round(time.monotonic() - began)
        time.sleep(1)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])
