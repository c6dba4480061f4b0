"""A Label Studio server for the demo and the tests, on this machine alone, with its own environment and data.

Its packages (label-studio.txt) and a migrated data folder are made once and kept under XDG_CACHE_HOME; who needs a
server copies the data folder. Not for production: docs/deploy.md says how that is set up.

    python -m canonry.demo.label_studio_server DATA        # serves a data folder until it is interrupted
    python -m canonry.demo.label_studio_server DATA 8080   # on this port
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from canonry.demo.programs import beside, environment, free_port, made_once, started

PACKAGES = Path(__file__).with_name("label-studio.txt")

USERNAME = "owner@canonry.invalid"

_CREDENTIALS = "credentials.json"
_LOG = "server.log"
_LISTENS = re.compile(r"Starting development server at (http://127\.0\.0\.1:\d+)/")
_HEALTH = "/health"

# As a module: the programs of an environment that was moved would not start. Nothing is ever written to its input,
# which ends with whoever started it: a server must not outlive a demo that was killed.
_START = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(1)), daemon=True).start()
from label_studio.server import main
sys.exit(main())
"""


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
def running(data: Path, port: int | None = None, *, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Serve a data folder, made from the golden one where there is none; by default on a free port.

    `settings` are more of the server's environment. Raises ServerFailed.
    """
    if not data.exists():
        copy_data(made_once(environment(PACKAGES).with_name("golden"), make_data), data)
    with _started(data, port or free_port(), settings or {}) as server:
        yield server


def make_data(data: Path, settings: Mapping[str, str] | None = None) -> None:
    """Make a data folder: a first start writes the tables, the owner, and the secret that its tokens depend on.

    Takes two minutes. Raises ServerFailed.
    """
    data.mkdir(mode=0o700)
    credentials = {"password": secrets.token_urlsafe(12), "api_key": secrets.token_hex(20)}
    (data / _CREDENTIALS).write_text(json.dumps(credentials))
    with _started(data, free_port(), settings or {}):
        pass


def copy_data(golden: Path, data: Path) -> None:
    """Copy a data folder that no server works on."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with beside(data) as folder:
        shutil.copytree(golden, folder, ignore=shutil.ignore_patterns(_LOG))


@contextmanager
def _started(data: Path, port: int, settings: Mapping[str, str]) -> Iterator[Server]:
    credentials = json.loads((data / _CREDENTIALS).read_text())
    arguments = ["--no-browser", "--internal-host", "127.0.0.1", "-p", str(port), "--enable-legacy-api-token"]
    command = [str(environment(PACKAGES) / "bin" / "python"), "-c", _START, "start", *arguments]
    variables = {**_variables(data, credentials), **settings}
    with started("Label Studio", command, _health_url, data / _LOG, variables) as (url, process_id):
        found = url.removesuffix(_HEALTH)
        yield Server(found, USERNAME, credentials["password"], credentials["api_key"], process_id)


def _health_url(said: str) -> str | None:
    """As it says itself where it listens, since it moves to the next port where its own is taken."""
    found = _LISTENS.search(said)
    return found[1] + _HEALTH if found else None


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
