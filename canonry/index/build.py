"""An index from its sources to candidates. Each step reads what the one before left in the lake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa

from canonry.catalog import IndexSpec
from canonry.embedded import embed
from canonry.encode import EncoderFiles, encoder_digest
from canonry.index import candidate, carried, made_of, store, tables
from canonry.index.assemble import assemble, fill_shard, forget_shards, train
from canonry.index.audiences import (
    EVERYBODY,
    Audience,
    audiences_of,
    chunks_for,
    golden_for,
    put_audiences,
    releases_of,
)
from canonry.index.chunks import embedded_texts
from canonry.index.documents import documents_of
from canonry.index.duplicates import DUPLICATES, near_duplicates, without
from canonry.index.errors import IndexBuildError
from canonry.index.gate import GateReport
from canonry.index.golden import golden_queries
from canonry.index.judge import check_candidates
from canonry.index.lineage import lineage_of
from canonry.index.passage_vectors import chunk_vectors, put_passage_vectors, vectors_agreement
from canonry.index.recall import tunes
from canonry.index.recut import cut_changed
from canonry.index.sketches import sketch_new
from canonry.index.tuning import tune
from canonry.search import FUSION, Fusion
from canonry.storage import Zones


@dataclass(frozen=True)
class Step:
    """What a step left in the lake: rows, the digest of its bytes, and whether they are new."""

    rows: int
    sha256: str
    changed: bool
    left_out: dict[str, str] = field(default_factory=dict)
    """Of documents: files that could not be read, by name, with the reason."""
    duplicates: int = 0
    """Of chunks: those that nearly are another; still among `rows` unless the spec drops them."""


@dataclass(frozen=True)
class Embeddings:
    """Texts embedded now, and those whose vectors were in the lake."""

    embedded: int
    reused: int


@dataclass(frozen=True)
class Build:
    """What building came to. `version` and `gate` are None where nothing is for everybody to read yet."""

    documents: Step
    chunks: Step
    embeddings: Embeddings
    version: str | None
    gate: GateReport | None
    versions: dict[str, str] = field(default_factory=dict)
    """Candidates by name of the release that each would be, one an audience."""
    gates: dict[str, GateReport] = field(default_factory=dict)


def build_index(
    zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles, now: dt.datetime | None = None
) -> Build:
    """The whole story, up to the gate; what passes is released by `release_candidate`."""
    documents = read_documents(zones, name, spec, encoder)
    chunks = cut_documents(zones, name, spec, encoder)
    embeddings = embed_chunks(zones, name, encoder)
    versions = build_candidates(zones, name, spec, encoder)
    reports = check_candidates(zones, name, spec, now)
    return Build(documents, chunks, embeddings, versions.get(name), reports.get(name), versions, reports)


def read_documents(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> Step:
    """Documents of the spec's sources → `documents/index=NAME`. No rows: an optional index without documents yet."""
    found = documents_of(name, spec, zones, encoder.dimension)
    put_passage_vectors(zones.lake, name, encoder, found.table, found.vectors)
    made_of.put(zones.lake, name, found.made_of)
    left_out = pa.table({"file": list(found.left_out), "reason": list(found.left_out.values())}, tables.LEFT_OUT)
    tables.put_table(zones.lake, tables.left_out_path(name), left_out)
    written = tables.put_table(zones.lake, tables.documents_path(name), found.table)
    return Step(found.table.num_rows, *written, left_out=found.left_out)


def cut_documents(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> Step:
    """Documents → `chunks/index=NAME`, and what nearly is the same → `duplicates/index=NAME`."""
    documents = tables.read_table(zones.lake, tables.documents_path(name), "documents")
    max_tokens = min(spec.chunking.max_tokens, encoder.max_tokens)
    overlap = spec.chunking.overlap_tokens
    chunks = cut_changed(zones.lake, name, documents, encoder.tokenizer_file, max_tokens, overlap)
    found = DUPLICATES.empty_table()
    if spec.duplicates:
        found = near_duplicates(chunks, spec.duplicates.similarity, sketch_new(zones.lake, name, chunks))
        if spec.duplicates.action == "drop":
            chunks = without(chunks, found)
    tables.put_table(zones.lake, tables.duplicates_path(name), found)
    written = tables.put_table(zones.lake, tables.chunks_path(name), chunks)
    return Step(chunks.num_rows, *written, duplicates=found.num_rows)


def embed_chunks(zones: Zones, name: str, encoder: EncoderFiles, shard: tuple[int, int] = (1, 1)) -> Embeddings:
    """Chunks → `embeddings/encoder=…`, those that are not there yet.

    `shard`: (2, 8) takes the second eighth of the chunks, so that eight machines with one lake share the work.
    """
    number, of = _known_shard(name, shard)
    chunks = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    # Each n-th chunk: neighbours are alike, and no shard gets all the long ones.
    found = chunk_vectors(zones.lake, name, encoder, embedded_texts(chunks)[number - 1 :: of])
    return Embeddings(found.embedded, found.reused)


def train_index(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> dict[str, str | None]:
    """Train what shards are to fill, where what is kept does not fit; its digest by name of the release."""
    found = {}
    for each in _by_audience(zones, name, spec, encoder):
        _, training, _ = train(zones.lake, *each)
        found[each[0]] = training.sha256 if training else None
    return found


def fill_shards(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles, shard: tuple[int, int]) -> int:
    """Fill a shard's slices of every audience's index ahead of its candidate; returns how many rows they have.

    Candidates are the same bytes with any of them, all of them, or none.
    """
    _known_shard(name, shard)
    return sum(fill_shard(zones.lake, *each, shard) for each in _by_audience(zones, name, spec, encoder))


def build_candidates(zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles) -> dict[str, str]:
    """A candidate an audience; versions by the name of the release that each would be, none where there is no chunk."""
    chunks = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    audiences = audiences_of(chunks)
    if EVERYBODY not in audiences:
        store.no_candidate(zones.lake, name)
    for gone in releases_of(zones.lake, name).keys() - {each.release_of(name) for each in audiences}:
        store.no_candidate(zones.lake, gone)
    put_audiences(zones.lake, name, audiences)
    versions = {each.release_of(name): build_candidate(zones, name, spec, encoder, each) for each in audiences}
    for release_name in versions:
        forget_shards(zones.lake, release_name)
    return versions


def build_candidate(
    zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles, audience: Audience = EVERYBODY
) -> str:
    """An audience's chunks and vectors → `candidates/indexes/RELEASE/VERSION`; returns the version."""
    everyones = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    chunks = chunks_for(everyones, audience)
    texts = embedded_texts(chunks)
    vectors = chunk_vectors(zones.lake, name, encoder, texts).vectors
    golden = golden_for(golden_queries(name, spec, zones), everyones, audience)
    queries = embed(zones.lake, encoder, [each.query for each in golden]).vectors
    tuning = queries[[row for row, each in enumerate(golden) if tunes(each.query)]]
    release_name, least = audience.release_of(name), spec.gate.recall_at_10
    try:
        made = assemble(zones.lake, release_name, encoder_digest(encoder), vectors, spec.faiss_factory, tuning, least)
    except IndexBuildError as error:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: {error}") from None
    files = candidate.payload(chunks, made.index, spec.lexical.language if spec.lexical else None)
    fusion = None
    if FUSION in files:
        fusion = tune(candidate.opened(files), golden, queries)
        files[FUSION] = candidate.fusion_bytes(Fusion(fusion.lexical_weight))
    carrying = carried.carry(zones.lake, encoder)
    metadata = {
        "index": name,
        "encoder": asdict(carrying.encoder),
        "encoder_agreement": asdict(carried.measure(zones.lake, carrying, texts, spec.gate)),
        "vectors_agreement": asdict(vectors_agreement(zones.lake, encoder, texts, vectors)),
        **made.to_metadata(),
        "lexical": spec.lexical.model_dump(mode="json") if spec.lexical else None,
        "fusion": asdict(fusion) if fusion else None,
        "vectors": chunks.num_rows,
        "columns": list(spec.metadata),
        "licenses": sorted({each.license for each in spec.documents if each.license}),
        **candidate.access_of(chunks),
    }
    lineage = {**lineage_of(zones, name, spec), "training": asdict(made.training) if made.training else None}
    version = store.version_of(files, carrying.files)
    # First, so that there is no candidate of which nobody can tell what it is made of.
    made_of.put_beside(zones.lake, name, release_name, version, set(chunks["document_id"].to_pylist()))
    return store.put_candidate(zones.lake, release_name, files, metadata, lineage, carrying.files)


def _by_audience(
    zones: Zones, name: str, spec: IndexSpec, encoder: EncoderFiles
) -> Iterator[tuple[str, str, np.ndarray, str]]:
    """Of each audience: name of its release, digest of the encoder, vectors, factory."""
    chunks = tables.read_table(zones.lake, tables.chunks_path(name), "chunks")
    for audience in audiences_of(chunks):
        texts = embedded_texts(chunks_for(chunks, audience))
        vectors = chunk_vectors(zones.lake, name, encoder, texts).vectors
        yield audience.release_of(name), encoder_digest(encoder), vectors, spec.faiss_factory


def _known_shard(name: str, shard: tuple[int, int]) -> tuple[int, int]:
    number, of = shard
    if not 1 <= number <= of:
        raise IndexBuildError(f"index {name}: there is no shard {number} of {of}; they are numbered from 1")
    return shard
