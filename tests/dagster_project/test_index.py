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
from canonry.storage import open_zones
from dagster_project import index
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


def test_a_restricted_index_is_released_an_audience_at_a_time(tmp_path: Path, tiny_model: ModelSpec) -> None:
    rows = [{"id": f"d{n}", "text": f"Passage {n} of the help.", "tags": ["staff"] if n < 3 else []} for n in range(8)]
    lines = write_lines(tmp_path / "docs.jsonl", rows)
    document: dict[str, Any] = {
        "description": "an index of a test",
        "owner": "tests",
        "encoder": MODEL,
        "documents": {"location": str(lines), "access": "tags"},
        "gaps": {},
    }
    governed = Catalog(tmp_path, models={MODEL: tiny_model}, indexes={"help": IndexSpec.model_validate(document)})

    class ThisCatalog(Platform):
        """A platform that governs one index."""

        @property
        def catalog(self) -> Catalog:  # type: ignore[override]
            return governed

    def materialize() -> dg.ExecuteInProcessResult:
        built = index.build("help", governed.indexes["help"], governed)
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [*(built.assets or ()), *(built.asset_checks or ())],
                resources={"platform": ThisCatalog(home=str(tmp_path / "home"))},
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
