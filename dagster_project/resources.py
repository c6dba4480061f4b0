"""What assets share: the zones, the catalog, the days, the dbt project. Where they lie comes from the environment."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource, DbtProject
from filelock import FileLock, Timeout
from packaging.version import Version

from canonry import catalog as catalogs
from canonry import lake
from canonry.catalog import Catalog
from canonry.collect import news
from canonry.landing import first_day, utc_now
from canonry.storage import Zones, open_zones

ROOT = Path(__file__).parent.parent

# dbt is run as a program: the one beside this Python, whatever the shell's PATH says.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"

ASSETS = Path(os.environ.get("CANONRY_ASSETS", ROOT / "assets"))

DAILY = dg.DailyPartitionsDefinition(start_date=first_day().isoformat(), end_offset=1)
"""Days by UTC, today's included: hourly runs add to it."""

RANGE = dg.BackfillPolicy.single_run()
"""A backfill of months is one run, so that dbt starts once."""

DAYS_PER_RUN = 31
"""At most, where a schedule or sensor asks."""

WAREHOUSE = "warehouse"
"""Pool of everything that opens DuckDB's file: one at a time."""

HOURLY = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(days=1), warn_window=dt.timedelta(hours=6))
WEEKLY = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(days=15), warn_window=dt.timedelta(days=8))
"""How old an asset may grow. Nothing runs where nothing is new, so silence from every product shows here, too."""

RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that ask another server."""

SECONDS_BETWEEN_WORDS = 30.0
PATIENCE = 600.0


class Platform(dg.ConfigurableResource):
    """The zones and the catalog of a run."""

    home: str = ""

    @cached_property
    def zones(self) -> Zones:
        """The zones under `home`, CANONRY_HOME or ./.canonry."""
        zones = open_zones(self.home or None)
        lake.ensure_anchors(zones.lake)
        return zones

    @cached_property
    def catalog(self) -> Catalog:
        """What is governed, as the files are now."""
        return catalogs.load(ASSETS)

    @contextmanager
    def alone(self, pool: str, log: logging.Logger) -> Iterator[None]:
        """Wait until no other step of a pool works on this machine, and keep others waiting meanwhile.

        Dagster's pools queue whole runs, where a daemon starts them. This holds for runs started by hand, too, and the
        lock ends with its process: a killed run keeps nobody waiting.
        """
        file = self.zones.warehouse.parent / "locks" / f"{pool}.lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=SECONDS_BETWEEN_WORDS)
            except Timeout:
                log.info("Waiting for another run that works on %s", pool)
        try:
            if pool == WAREHOUSE:
                _wait_until_closed(self.zones.warehouse, log)
            yield
        finally:
            lock.release()

    def recomputes(self, context: dg.AssetExecutionContext) -> None:
        """Take the notes of the run's days: every step that computes what tables are made of begins so."""
        news.begin(self.zones.lake, days_of(context), context.run.run_id)

    @staticmethod
    def now() -> dt.datetime:
        """Now, UTC."""
        return utc_now()

    @staticmethod
    def published_at() -> dt.datetime:
        """Now, with its zone, as releases write it."""
        return dt.datetime.now(dt.UTC)

    @staticmethod
    def today() -> dt.date:
        """The day that still lasts, UTC."""
        return utc_now().date()


def days_of(context: dg.AssetExecutionContext) -> list[dt.date]:
    """Days of the run's partitions, in order."""
    return sorted(dt.date.fromisoformat(key) for key in context.partition_keys)


def dbt_project() -> DbtProject:
    """The dbt project with a manifest that is no older than its models."""
    zones = open_zones()
    os.environ.setdefault("CANONRY_LAKE", zones.lake.url)
    os.environ.setdefault("CANONRY_WAREHOUSE", str(zones.warehouse))
    os.environ.setdefault("DBT_LOG_PATH", str(zones.warehouse.parent / "logs"))
    project = DbtProject(ROOT / "dbt")
    sources = [path for path in (ROOT / "dbt").rglob("*") if path.suffix in (".sql", ".yml") and _own(path)]
    newest = max(path.stat().st_mtime for path in sources)
    if not project.manifest_path.exists() or project.manifest_path.stat().st_mtime < newest:
        project.preparer.prepare(project)
    return project


class Dbt(DbtCliResource):
    """dbt as a program, and without what dagster-dbt does before it."""

    @cached_property
    def _cli_version(self) -> Version:
        """`dbt --version` would be a program more, and ask PyPI whether there is a newer one."""
        return Version(importlib.metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:
        """None: what it is for, row counts and columns of tables, is not asked for."""


def dbt_resource() -> Dbt:
    """Runs dbt on the warehouse of the zones."""
    return Dbt(project_dir=ROOT / "dbt")


def _wait_until_closed(warehouse: Path, log: logging.Logger) -> None:
    """Wait for whoever else has DuckDB's file open: an analyst's shell, or the dbt of a run that was killed."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            duckdb.connect(str(warehouse)).close()
        except duckdb.IOException as error:
            if "lock" not in str(error) or time.monotonic() > until:
                raise
            log.info("Waiting for the warehouse to be closed: %s", str(error).splitlines()[0])
            time.sleep(min(SECONDS_BETWEEN_WORDS, 5))
        else:
            return


def _own(path: Path) -> bool:
    return "target" not in path.relative_to(ROOT / "dbt").parts
