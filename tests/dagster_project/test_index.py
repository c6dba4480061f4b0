"""The assets of an index: from documents to one release an audience, and a gate that stops them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from canonry import catalog as catalogs
from canonry import release
from canonry.catalog import Catalog, IndexSpec, ModelSpec
from canonry.encode import EncoderFiles, files_of
from canonry.index import vectors as engine
from canonry.storage import open_zones
from dagster_project import index, schedules
from dagster_project.resources import Platform
from tests.index.conftest import write_lines
from tests.tiny_encoder import write_reference

MODEL = "all-MiniLM-L6-v2"
ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture
def tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelSpec]:
    """The encoder's spec, but for a small one with made-up weights."""
    spec = catalogs.load(ASSETS).models[MODEL]
    monkeypatch.syspath_prepend(str(tmp_path))
    made: EncoderFiles = write_reference(tmp_path, files_of(MODEL, spec).tokenizer_file)
    assert spec.encoder
    about = {name: getattr(made, name) for name in ("package", "path", "sha256", "dimension", "max_tokens")}
    yield spec.model_copy(update={"encoder": spec.encoder.model_copy(update=about)})


def governing(folder: Path, model: ModelSpec, lines: Path, access: str | None = None, **fields: Any) -> Catalog:
    """A catalog of one index, `help`."""
    documents = {"location": str(lines), **({"access": access} if access else {})}
    about = {"description": "an index of a test", "owner": "tests", "encoder": MODEL, "documents": documents}
    return Catalog(folder, models={MODEL: model}, indexes={"help": IndexSpec.model_validate({**about, **fields})})


def platform_of(governed: Catalog, home: Path) -> Platform:
    """A platform that governs this."""

    class ThisCatalog(Platform):
        @property
        def catalog(self) -> Catalog:  # type: ignore[override]
            return governed

    return ThisCatalog(home=str(home))


def test_a_restricted_index_is_released_an_audience_at_a_time(tmp_path: Path, tiny_model: ModelSpec) -> None:
    rows = [{"id": f"d{n}", "text": f"Passage {n} of the help.", "tags": ["staff"] if n < 3 else []} for n in range(8)]
    lines = write_lines(tmp_path / "docs.jsonl", rows)
    governed = governing(tmp_path, tiny_model, lines, access="tags", gaps={})

    def materialize() -> dg.ExecuteInProcessResult:
        built = index.build("help", governed.indexes["help"], governed)
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [*(built.assets or ()), *(built.asset_checks or ())],
                resources={"platform": platform_of(governed, tmp_path / "home")},
                instance=instance,
                raise_on_error=False,
            )

    first = materialize()
    assert first.success
    published = open_zones(tmp_path / "home").published
    versions = {name: release.resolve(published, "indexes", name).version for name in ("help", "help.staff")}
    metadata = first.asset_materializations_for_node("published__indexes__help")[0].metadata
    assert (metadata["version"].value, metadata["help.staff/version"].value) == tuple(versions.values())
    assert (metadata["vectors"].value, metadata["help.staff/vectors"].value) == (5, 3)
    assert (metadata["recall_at_10"].value, metadata["help.staff/recall_at_10"].value) == (1.0, 1.0)
    assert "- recall@10 is 1.000" in str(metadata["gate"].value)
    gaps = first.asset_materializations_for_node("index__help__coverage_gaps")[0].metadata
    assert (gaps["questions"].value, gaps["far"].value) == (0, 0)
    (check,) = first.get_asset_check_evaluations()
    assert check.passed and set(check.metadata) == {"help", "help.staff"}

    write_lines(lines, [*rows[:1], *rows[3:]])
    second = materialize()
    assert not second.success
    (check,) = second.get_asset_check_evaluations()
    assert not check.passed and "help.staff: " in (check.description or "")
    assert {name: release.resolve(published, "indexes", name).version for name in versions} == versions


def test_shards_run_apart_as_partitions_give_the_release_of_one_piece(
    tmp_path: Path, tiny_model: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SLICE", 16)
    rows = [{"id": f"d{n}", "text": f"Passage {n} of the help, about {n % 7}."} for n in range(70)]
    lines = write_lines(tmp_path / "docs.jsonl", rows)

    governed = governing(tmp_path, tiny_model, lines, faiss_factory="IVF4,SQ8", shards=3)
    built = index.build("help", governed.indexes["help"], governed)

    # A schedule's job knows no shards, and does all of it in one piece.
    everything = dg.Definitions.merge(
        built,
        dg.Definitions(
            jobs=[schedules._jobs(governed)["rebuild_indexes"]],
            resources={"platform": platform_of(governed, tmp_path / "whole")},
        ),
    )
    assert everything.resolve_job_def("rebuild_indexes").execute_in_process().success
    whole = release.resolve(open_zones(tmp_path / "whole").published, "indexes", "help").version

    def run(*keys: str, partition: str | None = None) -> list[Any]:
        """One run; what its assets said: vectors that were made, or rows."""
        done = dg.materialize(
            [*(built.assets or ()), *(built.asset_checks or ())],
            selection=dg.AssetSelection.assets(*keys),
            partition_key=partition,
            resources={"platform": platform_of(governed, tmp_path / "cut")},
        )
        said = [event.materialization.metadata for event in done.get_asset_materialization_events()]
        return [found.value for each in said if (found := each.get("embedded", each.get("dagster/row_count")))]

    cut = open_zones(tmp_path / "cut")
    parts = ["3-of-3", "1-of-3", "2-of-3"]
    run("index/help/documents", "index/help/chunks")
    assert [run("index/help/embedding_shards", partition=each) for each in parts] == [
        [23],
        [24],
        [23],
    ]
    assert run("index/help/embeddings", "index/help/training")[0] == 0
    assert [run("index/help/index_shards", partition=each) for each in parts] == [
        [16],
        [32],
        [22],
    ]
    assert len(list(cut.lake.list("filled"))) == 5
    run("index/help/candidate", "published/indexes/help")
    assert not list(cut.lake.list("filled"))
    assert release.resolve(cut.published, "indexes", "help").version == whole
