"""Lets DuckDB read a lake on an object store: httpfs as pip installed it, keys and endpoint from the environment.

Nothing is downloaded, nothing is written to a home folder, and no key comes near dbt's profile, logs or manifest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_httpfs
from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    """Prepares each connection that dbt opens."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        conn.load_extension(str(extension_file()))
        options = secret_options(os.environ)
        conn.execute(
            f"CREATE OR REPLACE SECRET lake (TYPE s3, {', '.join(f'{name} ?' for name in options)})",
            list(options.values()),
        )


def extension_file() -> Path:
    """The extension for this DuckDB, in the wheel `duckdb-extension-httpfs`. Raises FileNotFoundError."""
    folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    file = folder / "httpfs.duckdb_extension"
    if not file.exists():
        raise FileNotFoundError(f"{file}: pip install duckdb-extension-httpfs=={duckdb.__version__}")
    return file


def secret_options(environment: Mapping[str, str]) -> dict[str, str | bool]:
    """Options of DuckDB's S3 secret from the standard AWS variables. Raises ValueError where there is no key."""
    missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not environment.get(name)]
    if missing:
        raise ValueError(
            f"CANONRY_LAKE is on S3, and {' and '.join(missing)} unset: DuckDB takes keys from there alone"
        )
    options: dict[str, str | bool] = {
        "KEY_ID": environment["AWS_ACCESS_KEY_ID"],
        "SECRET": environment["AWS_SECRET_ACCESS_KEY"],
        "REGION": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
    }
    if token := environment.get("AWS_SESSION_TOKEN"):
        options["SESSION_TOKEN"] = token
    if endpoint := environment.get("AWS_ENDPOINT_URL"):
        url = urlsplit(endpoint)
        host = url.netloc + url.path.rstrip("/")
        options |= {"ENDPOINT": host, "URL_STYLE": "path", "USE_SSL": url.scheme == "https"}
    return options
