"""A Label Studio server for the demo and the tests, on this machine alone, with its own environment and data.

Its packages (label-studio.txt) and a migrated data folder are made once and kept under XDG_CACHE_HOME; who needs a
server copies the data folder. Not for production: docs/deploy.md says how that is set up.

    python -m canonry.demo.label_studio_server DATA        # serves a data folder until it is interrupted
    python -m canonry.demo.label_studio_server DATA 8080   # on this port
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from filelock import FileLock

from canonry.progress import track

PACKAGES = Path(__file__).with_name("label-studio.txt")

USERNAME = "owner@canonry.invalid"

_CREDENTIALS = "credentials.json"
_LOG = "server.log"
_PATIENCE = 600
_SECONDS_TO_STOP = 15
_LISTENS = re.compile(r"Starting development server at (http://127\.0\.0\.1:\d+)/")

# As a module: the programs of an environment that was moved would not start. Nothing is ever written to its input,
# which ends with whoever started it: a server must not outlive a demo that was killed.
_START = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(1)), daemon=True).start()
from label_studio.server import main
sys.exit(main())
"""


class ServerFailed(Exception):
    """The server or its environment could not be made; the message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server and its owner's credentials, which are good on this machine alone."""

    url: str
    username: str
    password: str
    api_key: str
    """A legacy token."""
    process_id: int


@contextmanager
def running(data: Path, port: int | None = None) -> Iterator[Server]:
    """Serve a data folder, made from the golden one where there is none; by default on a free port.

    Raises ServerFailed.
    """
    environment, golden = _prepared()
    if not data.exists():
        _copy(golden, data)
    with _started(environment, data, port or _free_port()) as server:
        yield server


def cache_folder() -> Path:
    """Where the environment and the golden data folder are kept: a folder a version of the packages and of Python."""
    made_from = PACKAGES.read_bytes() + f"python {sys.version_info.major}.{sys.version_info.minor}".encode()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "canonry" / f"label-studio-{hashlib.sha256(made_from).hexdigest()[:16]}"


def _prepared() -> tuple[Path, Path]:
    """The environment and the golden data folder, made where they are missing."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment, golden = cache / "venv", cache / "golden"
    if not (environment.exists() and golden.exists()):
        with FileLock(cache / ".lock"):
            if not environment.exists():
                with _beside(environment) as folder:
                    _install(folder)
            if not golden.exists():
                with _beside(golden) as folder:
                    _migrate(environment, folder)
    return environment, golden


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder that gets the target's name when all is done; what an earlier attempt left is removed."""
    folder = target.with_name(f"{target.name}.making")
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    os.replace(folder, target)


def _install(environment: Path) -> None:
    venv.create(environment, with_pip=True)
    log = environment / "install.log"
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with (
        open(log, "wb") as output,
        subprocess.Popen([*pip, "--no-deps", "-r", str(PACKAGES)], stdout=output, stderr=output) as process,
    ):
        for _ in track(_seconds(process), "Install Label Studio, once (seconds)"):
            pass
    if process.returncode:
        raise ServerFailed(f"Label Studio could not be installed:\n{_tail(log)}")


def _migrate(environment: Path, data: Path) -> None:
    """Make a data folder: a first start writes the tables, the owner, and the secret that its tokens depend on."""
    data.mkdir(mode=0o700)
    credentials = {"password": secrets.token_urlsafe(12), "api_key": secrets.token_hex(20)}
    (data / _CREDENTIALS).write_text(json.dumps(credentials))
    with _started(environment, data, _free_port()):
        pass


def _copy(golden: Path, data: Path) -> None:
    data.parent.mkdir(parents=True, exist_ok=True)
    with _beside(data) as folder:
        shutil.copytree(golden, folder, ignore=shutil.ignore_patterns(_LOG))


@contextmanager
def _started(environment: Path, data: Path, port: int) -> Iterator[Server]:
    credentials = json.loads((data / _CREDENTIALS).read_text())
    log = data / _LOG
    arguments = ["--no-browser", "--internal-host", "127.0.0.1", "-p", str(port), "--enable-legacy-api-token"]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(environment / "bin" / "python"), "-c", _START, "start", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=_variables(data, credentials),
            cwd=data,
        )
    try:
        url = _wait_until_up(process, log)
        yield Server(url, USERNAME, credentials["password"], credentials["api_key"], process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
        if process.poll() is None:
            process.kill()
            process.wait()


def _variables(data: Path, credentials: dict[str, str]) -> dict[str, str]:
    """All of the server's environment: it reads names like DEBUG, HOST, PORT and CI, too, so nothing is passed on."""
    settings = {
        "BASE_DATA_DIR": str(data.absolute()),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "FEATURE_FLAGS_OFFLINE": "true",
        "CONVERTER_DOWNLOAD_RESOURCES": "false",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "ENABLE_LEGACY_API_TOKEN": "true",
        "USERNAME": USERNAME,
        "PASSWORD": credentials["password"],
        "USER_TOKEN": credentials["api_key"],
    }
    variables = {f"LABEL_STUDIO_{name}": value for name, value in settings.items()}
    return {**variables, "PATH": os.defpath, "HOME": str(data.absolute()), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL it serves: as it says itself, since it moves to the next port where its own is taken."""
    for waited in track(_seconds(process), "Start Label Studio (seconds)"):
        if (found := _LISTENS.search(log.read_text(errors="replace"))) and _is_up(found[1]):
            return found[1]
        if waited > _PATIENCE:
            raise ServerFailed(f"Label Studio does not answer after {_PATIENCE} seconds:\n{_tail(log)}")
    raise ServerFailed(f"Label Studio ended with status {process.returncode}:\n{_tail(log)}")


def _is_up(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/health", timeout=10) as response:
            return json.load(response).get("status") == "UP"
    except (URLError, OSError, ValueError):
        return False


def _seconds(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Counts seconds while a process lives."""
    started = time.monotonic()
    while process.poll() is None:
        yield round(time.monotonic() - started)
        time.sleep(1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])


def main() -> None:
    """Serve a data folder until interrupted or terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    data, *port = sys.argv[1:]
    with running(Path(data), *map(int, port)) as server, suppress(KeyboardInterrupt):
        print(f"{server.url}  log in as {server.username}, password {server.password}; end with Ctrl-C", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
