"""The loop with its zones on an object store (a stand-in for S3 on this machine), the warehouse a local file."""

from __future__ import annotations

from pathlib import Path

from canonry import lake, release
from canonry.client import read_table
from canonry.publish.tables import MADE_FROM
from canonry.storage import Zones, open_zones
from tests.loop_home import Start, lake_digests, mart_rows
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]


def copy(source: Zones, target: Zones) -> None:
    """The same segments, and what was journalled: prices that were taken, and when scorers were released."""
    for entry in source.landing.list():
        target.landing.put(entry.path, source.landing.read(entry.path))
    for entry in (*source.journal.list("prices"), *source.journal.list("releases/scorers")):
        target.journal.put(entry.path, source.journal.read(entry.path))


def test_the_loop_on_an_object_store_gives_the_same_lake_and_marts_as_on_a_folder(
    undisturbed: Path, tmp_path: Path, bucket: str, start_loop: Start
) -> None:
    zones = open_zones(f"{bucket}/home")
    copy(open_zones(undisturbed), zones)
    local = tmp_path / "local"
    environment = {
        "CANONRY_HOME": zones.home,
        "CANONRY_LAKE": zones.lake.url,
        # A home of its own shows that no extension was downloaded or installed into it.
        "HOME": str(tmp_path / "user"),
    }
    with start_loop(local, environment) as process:
        process.wait(timeout=300)
    assert process.returncode == 0, local.with_suffix(".log").read_text()[-8_000:]
    assert mart_rows(local) == mart_rows(undisturbed)
    for name, digest in lake_digests(undisturbed).items():
        assert release.File.of(zones.lake.read(name.removeprefix("lake/"))).sha256 == digest, name
    for mart in MADE_FROM:
        assert read_table(mart, home=zones.home) == read_table(mart, home=undisturbed)
    assert not (tmp_path / "user" / ".duckdb").exists()
    assert not (local / "lake").exists()
    assert lake.days(zones.lake, "inferences") == lake.days(open_zones(undisturbed).lake, "inferences")
