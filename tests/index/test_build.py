"""An index from documents to release: what is done once, what is kept, and what the gate lets through."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from canonry import client, release
from canonry.catalog import IndexSpec
from canonry.cli import app
from canonry.encode import INT8, MODEL_FILE, TOKENIZER_FILE, EncoderFiles, exported, load_encoder
from canonry.index.build import (
    build_candidate,
    build_index,
    cut_documents,
    embed_chunks,
    read_documents,
)
from canonry.index.carried import carry
from canonry.index.errors import IndexBuildError
from canonry.index.golden import golden_queries
from canonry.index.judge import check_candidate, compare_versions, release_candidate
from canonry.index.store import latest_version
from canonry.storage import Zones, open_zones
from tests.tiny_encoder import DIMENSION

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
DOCUMENTS = [
    {"id": f"doc-{number}", "title": f"T{number}", "text": f"How {verb} works in case {number}."}
    for number, verb in enumerate(["billing", "login", "export", "search", "backup", "import", "audit", "quota"] * 2)
]


def put_in_production(zones: Zones, name: str) -> str:
    built = release_candidate(zones, name)
    published = release.publish(
        zones.published, "indexes", name, built.files, metadata=built.metadata, lineage=built.lineage, now=NOW
    )
    release.promote(zones.published, "indexes", name, published.version, reason="passed its gate", now=NOW)
    assert published.version == built.version
    return built.version


def everything(zones: Zones) -> dict[str, bytes]:
    return {entry.path: zones.lake.read(entry.path) for entry in zones.lake.list()}


def test_a_second_build_embeds_and_changes_nothing(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    spec = make_spec(DOCUMENTS)
    first = build_index(zones, "help", spec, tiny_encoder)
    assert (first.documents.rows, first.chunks.rows, first.embeddings.embedded) == (16, 16, 16)
    assert first.gate and first.gate.passed
    before = everything(zones)
    second = build_index(zones, "help", spec, tiny_encoder)
    assert (second.embeddings.embedded, second.embeddings.reused) == (0, 16)
    assert not second.documents.changed and not second.chunks.changed
    assert second.version == first.version
    assert everything(zones) == before


def test_the_same_inputs_give_the_same_bytes_elsewhere(tmp_path: Path, tiny_encoder: EncoderFiles, make_spec) -> None:
    spec = make_spec(DOCUMENTS)
    homes = [open_zones(tmp_path / place) for place in ("here", "there")]
    versions = {build_index(zones, "help", spec, tiny_encoder).version for zones in homes}
    assert len(versions) == 1
    assert everything(homes[0]) == everything(homes[1])


def test_a_changed_document_embeds_only_its_own_chunks(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    first = build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    changed = [*DOCUMENTS[:-1], DOCUMENTS[-1] | {"text": "Quotas are counted by the hour now."}]
    second = build_index(zones, "help", make_spec(changed), tiny_encoder)
    assert (second.embeddings.embedded, second.embeddings.reused) == (1, 15)
    assert second.version != first.version


def test_a_deleted_document_leaves_at_the_next_build(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    build_index(zones, "help", make_spec(DOCUMENTS[1:]), tiny_encoder)
    built = release_candidate(zones, "help")
    assert built.metadata["vectors"] == 15
    assert b"doc-0#0" not in built.files["chunks.parquet"]


def test_machines_embed_their_shards_and_the_build_finds_every_vector(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec
) -> None:
    spec = make_spec(DOCUMENTS)
    read_documents(zones, "help", spec, tiny_encoder)
    cut_documents(zones, "help", spec, tiny_encoder)
    made = [embed_chunks(zones, "help", tiny_encoder, (number, 3)).embedded for number in (1, 2, 3)]
    assert made == [6, 5, 5]
    assert build_index(zones, "help", spec, tiny_encoder).embeddings.embedded == 0
    with pytest.raises(IndexBuildError, match="there is no shard 4 of 3"):
        embed_chunks(zones, "help", tiny_encoder, (4, 3))


def test_embedding_ahead_is_a_command(zones: Zones, make_spec, tmp_path: Path) -> None:
    about = ["index", "embed", "help", "--assets", str(assets_with(tmp_path, make_spec(DOCUMENTS)))]
    for arguments, said in (
        (["--shard", "half"], "expected NUMBER/OF, such as 2/8"),
        (["--shard", "1/2"], "run the step `chunks` first"),
    ):
        done = CliRunner().invoke(app, [*about, *arguments], env={"CANONRY_HOME": zones.home})
        assert done.exit_code != 0 and said in " ".join(done.output.split())


def test_an_index_without_documents_yet_does_nothing(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    spec = make_spec(optional=True)
    built = build_index(zones, "help", spec, tiny_encoder)
    assert (built.documents.rows, built.version, built.gate) == (0, None, None)
    with pytest.raises(IndexBuildError, match="index help: no candidate went through the gate"):
        release_candidate(zones, "help")
    build_index(zones, "help", make_spec(DOCUMENTS, optional=True), tiny_encoder)
    assert release_candidate(zones, "help").metadata["vectors"] == 16


def test_a_step_says_which_step_comes_before_it(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    spec = make_spec(DOCUMENTS)
    with pytest.raises(IndexBuildError, match="run the step `documents` first"):
        cut_documents(zones, "help", spec, tiny_encoder)
    read_documents(zones, "help", spec, tiny_encoder)
    with pytest.raises(IndexBuildError, match="run the step `chunks` first"):
        embed_chunks(zones, "help", tiny_encoder)


def test_a_release_says_what_made_it(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    golden = [{"query": "how does login work?", "documents": ["doc-1", "doc-9"]}]
    spec = make_spec(DOCUMENTS, documents={"license": "CC BY 4.0, the docs team"}, golden_queries=golden)
    build_index(zones, "help", spec, tiny_encoder)
    version = put_in_production(zones, "help")
    manifest = release.resolve(zones.published, "indexes", "help").manifest
    assert manifest.version == version
    own = {"vectors.faiss", "chunks.parquet", "lexical.arrow", "fusion.json"}
    assert set(manifest.files) == own | {MODEL_FILE, TOKENIZER_FILE}
    carried = EncoderFiles.from_metadata(manifest.metadata["encoder"])
    assert carried == tiny_encoder
    assert (carried.onnx, carried.tokenizer) == tuple(
        manifest.files[file].sha256 for file in (MODEL_FILE, TOKENIZER_FILE)
    )
    agreement = manifest.metadata["encoder_agreement"]
    assert (agreement["texts"], agreement["least"] > 0.9999) == (16, True)
    assert manifest.metadata["gate"]["passed"] is True
    assert manifest.metadata["gate"]["hit_rate_at_10"]["candidate"] == 1
    assert manifest.metadata["licenses"] == ["CC BY 4.0, the docs team"]
    assert manifest.lineage["sources"][0]["kind"] == "json_lines" and len(manifest.lineage["documents_sha256"]) == 64
    assert manifest.lineage["chunking"] == {"max_tokens": 200, "overlap_tokens": 0}
    assert manifest.metadata["fusion"]["tuned_on"] == 0
    assert json.loads(zones.published.read(f"indexes/help/releases/{version}/fusion.json"))["lexical_weight"] == 0.5
    assert release.verify(zones.published, "indexes", "help", version) == []


def test_versions_are_compared_by_the_golden_queries_wherever_they_lie(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec, tmp_path: Path
) -> None:
    golden = [{"query": document["text"], "documents": [document["id"]]} for document in DOCUMENTS]
    build_index(zones, "help", make_spec(DOCUMENTS, golden_queries=golden), tiny_encoder)
    released = put_in_production(zones, "help")
    spec = make_spec(DOCUMENTS[4:], golden_queries=golden)
    built = build_index(zones, "help", spec, tiny_encoder)
    assert built.version and built.gate and not built.gate.passed
    found = compare_versions(zones, "help", spec, "production", built.version)
    assert not found.verdict.passed
    assert {each.query for each in found.compared.worse} == {document["text"] for document in DOCUMENTS[:4]}
    assert all(each.first_right_after is None for each in found.compared.worse)
    assert found.compared.worse == built.gate.worse
    back = compare_versions(zones, "help", spec, built.version, released)
    assert (back.compared.got_worse, back.compared.got_better) == (0, 4)
    with pytest.raises(release.NotReleased):
        compare_versions(zones, "help", spec, "production", "0" * 16)
    with pytest.raises(IndexBuildError, match="has no golden queries to compare versions by"):
        compare_versions(zones, "help", make_spec(), "production", released)
    shown = show_diff(zones, tmp_path, spec, "production", built.version)
    assert "4 queries got worse, 0 better" in shown and "How billing works in case 0." in shown


def assets_with(folder: Path, spec: IndexSpec) -> Path:
    """What is governed, and an index `help` beside."""
    assets = folder / "assets"
    shutil.copytree(Path(__file__).parents[2] / "assets", assets)
    (assets / "indexes" / "help.yaml").write_text(json.dumps(spec.model_dump(mode="json")))
    return assets


def show_diff(zones: Zones, folder: Path, spec: IndexSpec, before: str, after: str) -> str:
    """What `canonry index diff` prints."""
    arguments = ["index", "diff", "help", before, after, "--assets", str(assets_with(folder, spec))]
    done = CliRunner().invoke(app, arguments, env={"CANONRY_HOME": zones.home})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_client_finds_what_was_released(zones: Zones, encoder_files: EncoderFiles, make_spec) -> None:
    build_index(zones, "help", make_spec(DOCUMENTS), encoder_files)
    version = put_in_production(zones, "help")
    index = client.open_index("help", home=zones.home)
    (query,) = load_encoder(encoder_files).encode(["how does the audit work?"])
    assert {hit.document_id for hit in index.search(query, 2)} == {"doc-6", "doc-14"}
    assert index.version == version


def test_a_factory_that_does_not_fit_names_the_yaml(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    with pytest.raises(IndexBuildError, match=r"assets/indexes/help.yaml: faiss_factory: 'IVF999,Flat' cannot hold"):
        build_index(zones, "help", make_spec(DOCUMENTS, faiss_factory="IVF999,Flat"), tiny_encoder)


def test_a_damaged_candidate_is_not_released(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    version = build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder).version
    path = f"candidates/indexes/help/{version}/vectors.faiss"
    zones.lake.put(path, zones.lake.read(path)[:-4] + b"\0\1\2\3")
    with pytest.raises(IndexBuildError, match=f"{version}: is damaged"):
        release_candidate(zones, "help")
    build_candidate(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    assert release_candidate(zones, "help").version == version


def test_a_damaged_encoder_is_not_released(zones: Zones, tiny_encoder: EncoderFiles, make_spec) -> None:
    build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    path = f"encoders/{carry(zones.lake, tiny_encoder).encoder.onnx}"
    zones.lake.put(path, zones.lake.read(path)[:-1] + b"?")
    with pytest.raises(IndexBuildError, match=rf"{path}: is missing or damaged; delete it"):
        release_candidate(zones, "help")
    zones.lake.delete(path)
    build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    assert MODEL_FILE in release_candidate(zones, "help").files


def test_an_encoder_that_disagrees_with_the_reference_makes_no_candidate(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(DOCUMENTS)
    monkeypatch.setattr("canonry.index.carried.load_onnx", lambda *_: Disagreeing())
    with pytest.raises(IndexBuildError, match=r"a cosine of -?0\.\d+ on the worst of 16 .* at least 0.9999"):
        build_index(zones, "help", spec, tiny_encoder)
    assert latest_version(zones.lake, "help") is None


def test_eight_bits_are_released_where_they_agree_and_refused_where_they_do_not(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    eight = replace(tiny_encoder, runtime=INT8)
    with (
        monkeypatch.context() as patch,
        pytest.raises(IndexBuildError, match=r"onnx-int8 agrees .* on 16 .*; set runtime"),
    ):
        patch.setattr("canonry.index.carried.load_onnx", lambda *_: Disagreeing())
        build_index(zones, "help", make_spec(DOCUMENTS), eight)
    assert latest_version(zones.lake, "help") is None
    for entry in list(zones.lake.list("embeddings")):
        zones.lake.delete(entry.path)
    build_index(zones, "help", make_spec(DOCUMENTS), eight)
    put_in_production(zones, "help")
    found = release.resolve(zones.published, "indexes", "help").manifest
    assert found.metadata["encoder"]["runtime"] == INT8
    agreed = found.metadata["encoder_agreement"]
    assert agreed["mean"] >= 0.99 and agreed["overlap"] >= 0.95
    assert found.files[MODEL_FILE].sha256 == hashlib.sha256(exported(eight).read_bytes()).hexdigest()


class Disagreeing:
    """A stand-in for a graph that was exported wrongly."""

    def encode_batches(self, texts: list[str], progress: str | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        made = np.random.default_rng(0).standard_normal((len(texts), DIMENSION), dtype=np.float32)
        yield np.arange(len(texts)), made


def test_a_gate_that_compared_with_another_release_is_asked_again(
    zones: Zones, tiny_encoder: EncoderFiles, make_spec
) -> None:
    build_index(zones, "help", make_spec(DOCUMENTS), tiny_encoder)
    put_in_production(zones, "help")
    spec = make_spec(DOCUMENTS[1:])
    build_index(zones, "help", spec, tiny_encoder)
    other = release.publish(zones.published, "indexes", "help", {"x": b"1"}, metadata={}, lineage={}, now=NOW)
    release.promote(zones.published, "indexes", "help", other.version, reason="by hand", now=NOW)
    with pytest.raises(IndexBuildError, match=rf"but {other.version} is released now; check it again"):
        release_candidate(zones, "help")


def test_bad_golden_rows_are_named_by_file_and_line(zones: Zones, make_spec, tmp_path: Path) -> None:
    lines = ['{"query": "a", "documents": ["d"]}', '{"query": "b", "documents": []}', '{"documents": ["d"]}', "{"]
    (tmp_path / "golden.jsonl").write_text("\n".join(lines))
    spec = make_spec(golden_file=str(tmp_path / "golden.jsonl"))
    with pytest.raises(IndexBuildError) as caught:
        golden_queries("help", spec, zones)
    problems = str(caught.value).splitlines()
    assert problems[0].endswith("golden.jsonl: line 2: documents: expected a list of at least one document id")
    assert problems[1].endswith("golden.jsonl: line 3: query: expected text, found nothing")
    assert "golden.jsonl: line 4: is not JSON" in problems[2]
    with pytest.raises(IndexBuildError, match="golden_file: no query at"):
        golden_queries("help", make_spec(golden_file=str(tmp_path / "absent.jsonl")), zones)


def test_real_documents_pass_the_gate_and_a_worse_candidate_does_not(
    zones: Zones, encoder_files: EncoderFiles, make_spec, cookbook, tmp_path: Path
) -> None:
    documents, golden = cookbook
    (tmp_path / "golden.jsonl").write_text("".join(json.dumps(row) + "\n" for row in golden))

    def spec_of(some: list[dict[str, str]]) -> IndexSpec:
        # Some seventy queries that tuning did not see rule out no less.
        return make_spec(some, golden_file=str(tmp_path / "golden.jsonl"), gate={"hit_rate_drop": 0.1})

    first = build_index(zones, "cookbook", spec_of(documents), encoder_files)
    assert first.gate and first.gate.passed and first.gate.hit_rate_at_10
    assert 0.8 < first.gate.hit_rate_at_10.candidate < 1
    released = put_in_production(zones, "cookbook")

    one_fewer = [row for row in documents if row["id"] != golden[0]["documents"][0]]
    similar = build_index(zones, "cookbook", spec_of(one_fewer), encoder_files)
    assert similar.gate and similar.gate.passed
    assert similar.gate.released_version == released

    wanted = {document for row in golden[:40] for document in row["documents"]}
    worse = build_index(
        zones, "cookbook", spec_of([row for row in documents if row["id"] not in wanted]), encoder_files
    )
    assert worse.embeddings.embedded == 0
    assert worse.gate and not worse.gate.passed
    with pytest.raises(IndexBuildError, match=rf"candidate {worse.version} did not pass its gate: .*dropped by more"):
        release_candidate(zones, "cookbook")
    kept = f"candidates/indexes/cookbook/{worse.version}"
    assert zones.lake.head(f"{kept}/vectors.faiss") and zones.lake.head(f"{kept}/chunks.parquet")
    assert json.loads(zones.lake.read(f"{kept}/gate.json"))["passed"] is False
    assert release.resolve(zones.published, "indexes", "cookbook").version == released

    assert build_index(zones, "cookbook", spec_of(documents), encoder_files).version == released
    report = check_candidate(zones, "cookbook", spec_of(documents))
    assert report and report.passed
