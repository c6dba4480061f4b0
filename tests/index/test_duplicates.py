"""Near duplicates: found however they are ordered, never guessed, and never across what others may read."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from canonry.embedded import text_digest
from canonry.index import sketches
from canonry.index.duplicates import DUPLICATES, near_duplicates, without
from canonry.index.sketches import PERMUTATIONS, SCHEME, SEED, shingles, sketch_new, sketched
from canonry.storage import Zones, open_zones


def chunks(texts: list[str], access: list[list[str]] | None = None) -> pa.Table:
    columns: dict[str, object] = {
        "chunk_id": [f"c{number:03d}" for number in range(len(texts))],
        "text": pa.array(texts, pa.string()),
    }
    return pa.table(columns if access is None else {**columns, "access": access})


def prose(words: int, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(f"word{draw.randrange(3_000)}" for _ in range(words))


def test_copies_and_near_copies_are_found_with_how_alike_they_are() -> None:
    texts = [prose(120, seed) for seed in range(200)]
    texts[50] = texts[7].upper().replace(" ", "  ")
    texts[60] = texts[8] + " and a tail"
    texts[70] = " ".join(texts[9].split()[:60] + prose(60, 999).split())
    found = near_duplicates(chunks(texts), 0.9).to_pylist()
    assert [(each["chunk_id"], each["duplicate_of"]) for each in found] == [("c050", "c007"), ("c060", "c008")]
    assert found[0]["similarity"] == 1 and 0.95 < found[1]["similarity"] < 1
    kept = without(chunks(texts), near_duplicates(chunks(texts), 0.9))
    assert kept.num_rows == 198 and "c007" in kept["chunk_id"].to_pylist()


def test_every_copy_is_called_after_the_first() -> None:
    found = near_duplicates(chunks([prose(30, 1)] * 5), 0.9)
    assert found["duplicate_of"].to_pylist() == ["c000"] * 4


def test_short_texts_are_compared_whole() -> None:
    found = near_duplicates(chunks(["Yes.", "No.", "yes", "", "Yes, but", ""]), 0.9)
    assert [(each["chunk_id"], each["duplicate_of"]) for each in found.to_pylist()] == [
        ("c002", "c000"),
        ("c005", "c003"),
    ]


def test_what_others_may_read_is_no_duplicate() -> None:
    texts = [prose(30, 1)] * 3
    found = near_duplicates(chunks(texts, [[], ["staff"], ["staff"]]), 0.9)
    assert [(each["chunk_id"], each["duplicate_of"]) for each in found.to_pylist()] == [("c002", "c001")]


words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4)
texts_of_a_day = st.lists(words.flatmap(lambda few: st.integers(1, 9).map(lambda times: " ".join(few * times))))


@settings(max_examples=15, deadline=None)
@given(st.lists(texts_of_a_day, min_size=2, max_size=3), st.sampled_from([0.5, 0.9]))
def test_what_is_found_does_not_depend_on_what_was_there_before(
    tmp_path_factory: Any, days: list[list[str]], similarity: float
) -> None:
    lake = open_zones(tmp_path_factory.mktemp("home")).lake
    for texts in days:
        now = with_digests(texts)
        kept = sketch_new(lake, "help", now)
        assert np.array_equal(kept, sketched(texts))
        assert near_duplicates(now, similarity, kept).equals(compared_with_every_row(texts, similarity))


def test_only_texts_that_are_new_are_sketched(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def noted(texts: list[str]) -> np.ndarray:
        seen.append(texts)
        return sketched(texts)

    monkeypatch.setattr(sketches, "sketched", noted)
    for texts in (["one", "two", "two"], ["two", "three", "one"], ["three"], ["one", "three"]):
        sketch_new(zones.lake, "help", with_digests(texts))
    assert [sorted(texts) for texts in seen] == [["one", "two"], ["three"], ["one"]]


def with_digests(texts: list[str]) -> pa.Table:
    digests = pa.array([text_digest(text) for text in texts], pa.string())
    return chunks(texts).append_column("text_digest", digests)


def compared_with_every_row(texts: list[str], similarity: float) -> pa.Table:
    """What is found where each row is looked for among all before it."""
    kept = MinHashLSH(threshold=similarity, num_perm=PERMUTATIONS, weights=(0.2, 0.8))
    found = []
    for row, values in enumerate(sketched(texts)):
        sketch, own = LeanMinHash(seed=SEED, hashvalues=values, scheme=SCHEME), shingles(texts[row])
        others = {other: shingles(texts[other]) for other in kept.query(sketch)}
        alike = {other: len(own & each) / len(own | each) for other, each in others.items()}
        like = max(sorted(alike), key=alike.__getitem__, default=row)
        if alike.get(like, 0) >= similarity:
            found.append((f"c{row:03d}", f"c{like:03d}", round(alike[like], 6)))
        else:
            kept.insert(row, sketch)
    return pa.Table.from_pylist([dict(zip(DUPLICATES.names, each, strict=True)) for each in found], schema=DUPLICATES)
