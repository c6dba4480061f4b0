"""Dagster's own state on a real PostgreSQL, with the settings a server gets, dumped and restored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.postgresql import PostgreSQL, postgresql

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"

HISTORY = """
from dagster import AssetKey, DagsterInstance
with DagsterInstance.get() as instance:
    print([(run.run_id, run.status.value) for run in instance.get_runs()])
    print(instance.get_latest_materialization_event(AssetKey(["published", "models"])).run_id)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server with the databases and roles of docs/deploy."""
    with postgresql() as server:
        server.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(DEPLOY / "databases.sql"))
        server.run("psql", "-q", "-c", f"ALTER ROLE canonry PASSWORD '{server.password}'")
        yield server


@pytest.fixture
def run_python(tmp_path: Path):
    """Runs this Python with Dagster's home and a database; what it prints."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())

    def run(url: str, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("CANONRY_", "PG"))}
        environment |= {"CANONRY_HOME": str(tmp_path / "home"), "DAGSTER_HOME": str(home), "DAGSTER_POSTGRES_URL": url}
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4_000:]
        return done.stdout

    return run


def test_run_history_survives_a_dump_and_a_restore(server: PostgreSQL, tmp_path: Path, run_python) -> None:
    url = server.url("canonry", "dagster")
    select = ["--select", "published/models", "-m", "dagster_project.definitions"]
    run_python(url, "-m", "dagster", "asset", "materialize", *select)
    history = run_python(url, "-c", HISTORY)
    assert history.count("SUCCESS") == 1
    assert not list((tmp_path / "dagster").rglob("*.db")), "state lies in SQLite beside"

    dump = str(tmp_path / "dagster.dump")
    server.run("pg_dump", "--format=custom", f"--file={dump}", "dagster", user="canonry")
    server.run("createdb", "--owner=canonry", "restored")
    server.run("pg_restore", "--exit-on-error", "--dbname=restored", dump, user="canonry")
    assert run_python(server.url("canonry", "restored"), "-c", HISTORY) == history


def test_other_roles_may_not_open_the_databases(server: PostgreSQL) -> None:
    server.run("psql", "-q", "-c", f"CREATE ROLE stranger LOGIN PASSWORD '{server.password}'")
    for database in ("dagster", "labelstudio"):
        with pytest.raises(AssertionError, match="permission denied for database"):
            server.run("psql", "-d", database, "-c", "SELECT 1", user="stranger")
