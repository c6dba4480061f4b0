"""An index from its documents to what is released. Each step reads what the one before left in the lake."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from canonry import release
from canonry.catalog import IndexSpec
from canonry.embedded import Embedded, embed
from canonry.encode import EncoderFiles
from canonry.index import candidate, carried, gate, store, tables
from canonry.index.answers import Contender
from canonry.index.assemble import assemble
from canonry.index.chunks import cut
from canonry.index.documents import documents_of
from canonry.index.errors import IndexBuildError
from canonry.index.golden import Golden, golden_queries
from canonry.index.lineage import lineage_of
from canonry.index.recall import tunes
from canonry.index.tuning import tune
from canonry.search import CHUNKS, FUSION, Fusion
from canonry.storage import Zones


@dataclass(frozen=True)
class Step:
    """What a step left in the lake: rows, the digest of its bytes, and whether they are new."""

    rows: int
    sha256: str
    changed: bool


@dataclass(frozen=True)
class Embeddings:
    """Texts embedded now, and those whose vectors were in the lake."""

    embedded: int
    reused: int


@dataclass(frozen=True)
class Build:
    """What building came to. `version` and `gate` are None where an optional index has no documents yet."""

    documents: Step
    chunks: Step
    embeddings: Embeddings
    version: str | None
    gate: gate.GateReport | None


def build_index(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> Build:
    """The whole story, up to the gate; what passes is released by `release_candidate`."""
    documents = read_documents(zones, name, spec)
    chunks = cut_documents(zones, name, spec, encoder)
    embeddings = embed_chunks(zones, name, encoder)
    version = build_candidate(zones, name, spec, encoder)
    report = check_candidate(zones, name, spec)
    return Build(documents, chunks, embeddings, version, report)


def read_documents(zones: Zones, name: str, spec: IndexSpec) -> Step:
    """Documents at the spec's location → `documents/index=NAME`. No rows: an optional index without documents yet."""
    documents = documents_of(name, spec, zones.home)
    return Step(documents.num_rows, *tables.put_table(zones.lake, tables.documents_path(name), documents))


def cut_documents(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> Step:
    """Documents → `chunks/index=NAME`."""
    documents = tables.read_table(zones.lake, tables.documents_path(name), "documents")
    max_tokens = min(spec.chunking.max_tokens, encoder.max_tokens)
    chunks = cut(documents, encoder.tokenizer_file, max_tokens, spec.chunking.overlap_tokens)
    return Step(chunks.num_rows, *tables.put_table(zones.lake, tables.chunks_path(name), chunks))


def embed_chunks(zones: Zones, name: str, encoder: EncoderFiles) -> Embeddings:
    """Chunks → `embeddings/encoder=…`, those that are not there yet."""
    found = _embedded(zones, name, encoder)
    return Embeddings(found.embedded, found.reused)


def build_candidate(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> str | None:
    """Chunks and vectors → `candidates/indexes/NAME/VERSION`; returns the version, None where there is no chunk."""
    chunks = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    if not chunks.num_rows:
        store.no_candidate(zones.lake, name)
        return None
    texts = chunks["text"].to_pylist()
    vectors = embed(zones.lake, encoder, texts).vectors
    golden = golden_queries(name, spec, zones.home)
    queries = embed(zones.lake, encoder, [each.query for each in golden]).vectors
    tuning = queries[[row for row, each in enumerate(golden) if tunes(each.query)]]
    least = spec.gate.recall_at_10
    try:
        made = assemble(zones.lake, name, encoder.sha256, vectors, spec.faiss_factory, tuning, least)
    except IndexBuildError as error:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: {error}") from None
    files = candidate.payload(chunks, made.index, spec.lexical.language if spec.lexical else None)
    fusion = None
    if FUSION in files:
        fusion = tune(candidate.opened(files), golden, queries)
        files[FUSION] = candidate.fusion_bytes(Fusion(fusion.lexical_weight))
    carrying = carried.carry(zones.lake, encoder)
    metadata = {
        "encoder": asdict(carrying.encoder),
        "encoder_agreement": asdict(carried.measure(zones.lake, carrying, texts, vectors)),
        **made.to_metadata(),
        "lexical": spec.lexical.model_dump(mode="json") if spec.lexical else None,
        "fusion": asdict(fusion) if fusion else None,
        "vectors": chunks.num_rows,
        "columns": list(spec.documents.metadata),
        **candidate.access_of(chunks),
    }
    lineage = {**lineage_of(zones, name, spec), "training": asdict(made.training) if made.training else None}
    return store.put_candidate(zones.lake, name, files, metadata, lineage, carrying.files)


def check_candidate(zones: Zones, name: str, spec: IndexSpec) -> gate.GateReport | None:
    """Ask the gate about the latest candidate, and keep its answer beside it; None where there is no candidate."""
    version = store.latest_version(zones.lake, name)
    if version is None:
        return None
    built = store.read_candidate(zones.lake, name, version)
    golden = golden_queries(name, spec, zones.home)
    encoder = EncoderFiles.from_metadata(built.metadata["encoder"])
    texts = tables.table_of(built.files[CHUNKS])["text"].to_pylist()
    report = gate.check(
        _contender(zones, version, built.files, encoder, golden),
        embed(zones.lake, encoder, texts).vectors,
        golden,
        _released(zones, name, golden),
        spec.gate,
    )
    store.put_gate(zones.lake, name, version, report.to_metadata())
    return report


def compare_versions(zones: Zones, name: str, spec: IndexSpec, before: str, after: str) -> gate.Judged:
    """Two versions asked the golden queries, as its gate asks them. Each is a version, a channel, or a candidate's.

    Raises NotReleased where there is no such version, IndexBuildError where there are no golden queries.
    """
    golden = golden_queries(name, spec, zones.home)
    if not golden:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: has no golden queries to compare versions by; add some")
    first, second = (_version(zones, name, which, golden) for which in (before, after))
    return gate.judge(second, golden, first, spec.gate)


def release_candidate(zones: Zones, name: str) -> store.Candidate:
    """The latest candidate, its gate's answer in its metadata: files, metadata and lineage for `release.publish`.

    Raises IndexBuildError where there is none, or where the gate did not let it pass, or judged it beside a version
    that is not the released one any more.
    """
    version = store.latest_version(zones.lake, name)
    answer = store.read_gate(zones.lake, name, version) if version else None
    if version is None or answer is None:
        raise IndexBuildError(f"index {name}: no candidate went through the gate; build and check one first")
    if not answer["passed"]:
        reasons = "; ".join(answer["reasons"])
        raise IndexBuildError(f"index {name}: candidate {version} did not pass its gate: {reasons}")
    move = release.last_move(zones.published, "indexes", name)
    if move and move.version not in (version, answer["released_version"]):
        found = f"was compared with {answer['released_version']}, but {move.version} is released now"
        raise IndexBuildError(f"index {name}: candidate {version} {found}; check it again")
    built = store.read_candidate(zones.lake, name, version)
    files = {**built.files, **carried.read_carried(zones.lake, built.carried)}
    return store.Candidate(version, files, built.carried, {**built.metadata, "gate": answer}, built.lineage)


def _embedded(zones: Zones, name: str, encoder: EncoderFiles) -> Embedded:
    chunks = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    return embed(zones.lake, encoder, chunks["text"].to_pylist())


def _released(zones: Zones, name: str, golden: list[Golden]) -> Contender | None:
    try:
        found = release.resolve(zones.published, "indexes", name)
    except release.NotReleased:
        return None
    return _contender_of(zones, found, golden)


def _version(zones: Zones, name: str, which: str, golden: list[Golden]) -> Contender:
    if store.has_candidate(zones.lake, name, which):
        built = store.read_candidate(zones.lake, name, which)
        encoder = EncoderFiles.from_metadata(built.metadata["encoder"])
        return _contender(zones, which, built.files, encoder, golden)
    return _contender_of(zones, release.resolve(zones.published, "indexes", name, which), golden)


def _contender_of(zones: Zones, found: release.Release, golden: list[Golden]) -> Contender:
    files = {path: found.read(path) for path in candidate.OWN_FILES if path in found.manifest.files}
    # A released version answers with the encoder it was made with, which may not be today's.
    encoder = EncoderFiles.from_metadata(found.manifest.metadata["encoder"])
    return _contender(zones, found.version, files, encoder, golden)


def _contender(
    zones: Zones, version: str, files: dict[str, bytes], encoder: EncoderFiles, golden: list[Golden]
) -> Contender:
    queries = embed(zones.lake, encoder, [each.query for each in golden])
    return Contender(version, candidate.opened(files), queries.vectors)
