"""Training is done once and kept while it fits; with it a changed index is what a full build gives."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from canonry.index import assemble as module
from canonry.index import kinds
from canonry.index import vectors as engine
from canonry.index.assemble import Assembled, assemble
from canonry.storage import Storage, Zones
from tests.index.test_vectors import clustered

ROWS = clustered(2_000, seed=5)
LISTS = "IVF32,RaBitQfs,Refine(Flat)"
NOBODY = np.empty((0, 32), np.float32)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "EXACT_UP_TO", 1_000)


def made(lake: Storage, rows: np.ndarray, factory: str = "auto", encoder: str = "e") -> Assembled:
    return assemble(lake, "help", encoder, rows, factory, NOBODY, 0.9)


def test_a_changed_index_uses_the_training_of_before_and_is_what_a_full_build_gives(zones: Zones, monkeypatch) -> None:
    first = made(zones.lake, ROWS)
    assert first.training and first.factory == "PCA16,HNSW32,SQ8,Refine(Flat)"
    changed = np.concatenate([ROWS[:10], ROWS[20:], clustered(15, seed=6)])

    def refuse(*_: object) -> None:
        raise AssertionError("it is trained again")

    monkeypatch.setattr(engine, "train", refuse)
    second = made(zones.lake, changed)
    assert second.training == first.training
    full = engine.index_of(zones.lake.read(f"trained/index=help/{first.training.sha256}.faiss"))
    with engine._threads(1):
        full.add(changed)
    queries = clustered(100, seed=7)
    kinds.set_effort(full, second.tuned.effort)
    assert np.array_equal(second.index.search(queries, 10)[1], full.search(queries, 10)[1])
    assert engine.index_bytes(second.index) == engine.index_bytes(full)


def test_the_training_of_before_finds_as_much_as_a_new_one(zones: Zones) -> None:
    made(zones.lake, ROWS)
    changed = np.concatenate([ROWS[20:], clustered(20, seed=8)])
    kept = made(zones.lake, changed)
    zones.lake.delete("trained/index=help/latest.json")
    new = made(zones.lake, changed)
    assert kept.training != new.training
    assert kept.tuned and new.tuned and min(kept.tuned.recall.low, new.tuned.recall.low) >= 0.9


@pytest.mark.parametrize(
    ("rows", "factory", "encoder"),
    [(ROWS, "IVF16,Flat", "e"), (ROWS, "auto", "other"), (np.concatenate([ROWS] * 3), "auto", "e")],
)
def test_another_factory_encoder_or_size_is_trained_for(zones: Zones, rows, factory: str, encoder: str) -> None:
    first = made(zones.lake, ROWS)
    assert made(zones.lake, rows, factory, encoder).training != first.training


def test_a_damaged_training_is_made_again(zones: Zones) -> None:
    first = made(zones.lake, ROWS)
    assert first.training
    path = module._path("help", first.training)
    whole = zones.lake.read(path)
    zones.lake.put(path, whole[:-1] + b"?")
    assert made(zones.lake, ROWS).training == first.training
    assert zones.lake.read(path) == whole


def test_kinds_that_learn_nothing_keep_nothing(zones: Zones) -> None:
    for rows, factory in ((ROWS[:900], "auto"), (ROWS[:900], "HNSW8")):
        assert made(zones.lake, rows, factory).training is None
    assert list(zones.lake.list("trained")) == []


def test_slices_that_shards_filled_are_merged_and_others_are_not_mistaken_for_them(zones: Zones, monkeypatch) -> None:
    monkeypatch.setattr(engine, "SLICE", 512)
    whole = engine.index_bytes(made(zones.lake, ROWS, LISTS).index)
    for number in (1, 2):
        assert module.fill_shard(zones.lake, "help", "e", ROWS, LISTS, (number, 2)) == {1: 1_024, 2: 976}[number]
    pieces = sorted(entry.path for entry in zones.lake.list("filled"))
    assert len(pieces) == 4
    assert engine.index_bytes(made(zones.lake, ROWS, LISTS).index) == whole
    # What is damaged is filled here; the control: what names itself soundly is taken for what it says.
    (first, data), (_, other) = [
        (path, piece) for path in pieces if engine.index_of(piece := zones.lake.read(path)).ntotal == 512
    ][:2]
    zones.lake.put(first, other)
    assert engine.index_bytes(made(zones.lake, ROWS, LISTS).index) == whole
    zones.lake.put(first.replace(hashlib.sha256(data).hexdigest(), hashlib.sha256(other).hexdigest()), other)
    zones.lake.delete(first)
    assert engine.index_bytes(made(zones.lake, ROWS, LISTS).index) != whole
    moved = np.concatenate([ROWS[1:], ROWS[:1]])
    beside = engine.index_bytes(made(zones.lake, moved, LISTS).index)
    module.forget_shards(zones.lake, "help")
    assert not list(zones.lake.list("filled"))
    assert engine.index_bytes(made(zones.lake, moved, LISTS).index) == beside


def test_of_a_graph_shards_fill_nothing_and_the_build_fills_it_whole(zones: Zones) -> None:
    assert module.fill_shard(zones.lake, "help", "e", ROWS, "auto", (1, 2)) == 0
    assert not list(zones.lake.list("filled"))
    assert made(zones.lake, ROWS).index.ntotal == len(ROWS)
