"""Near duplicates: found however they are ordered, never guessed, and never across what others may read."""

from __future__ import annotations

import random

import pyarrow as pa

from canonry.index.duplicates import near_duplicates, without


def chunks(texts: list[str], access: list[list[str]] | None = None) -> pa.Table:
    columns: dict[str, object] = {"chunk_id": [f"c{number:03d}" for number in range(len(texts))], "text": texts}
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
