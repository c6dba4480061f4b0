"""Embeddings: computed once, saved on the way, and the same however often they were interrupted."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from canonry import catalog
from canonry.embedded import TOGETHER, embed, text_digest
from canonry.encode import Encoder, EncoderFiles, files_of, load_encoder
from canonry.storage import Entry, LocalStorage, Storage, Zones, open_storage
from tests.s3 import bucket, s3_endpoint
from tests.tiny_encoder import DIMENSION, write_reference

__all__ = ["bucket", "s3_endpoint"]

ASSETS = Path(__file__).parents[1] / "assets"
TEXTS = [f"a note about {'tables ' * (number % 5)}topic {number}" for number in range(120)]


@pytest.fixture(scope="module")
def encoder_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderFiles]:
    real = files_of("all-MiniLM-L6-v2", catalog.load(ASSETS).models["all-MiniLM-L6-v2"])
    folder = tmp_path_factory.mktemp("encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_reference(folder, real.tokenizer_file)


class Interrupted(Exception):
    """The stand-in's way to stop."""


class StoppingEncoder:
    """A stand-in that embeds some batches for real, then stops."""

    def __init__(self, encoder: Encoder, batches: int) -> None:
        self.encoder, self.left = encoder, batches

    def encode_batches(self, texts: list[str], progress: str | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for each in self.encoder.encode_batches(texts):
            if not self.left:
                raise Interrupted
            self.left -= 1
            yield each


def refuse(files: EncoderFiles) -> Encoder:
    raise AssertionError("the encoder is loaded although nothing is missing")


def saved(lake: Storage) -> list[str]:
    return [entry.path for entry in lake.list("embeddings")]


def digests_in(lake: Storage, path: str) -> list[str]:
    return pq.read_table(io.BytesIO(lake.read(path)))["text_digest"].to_pylist()


def test_a_text_is_embedded_once(encoder_files: EncoderFiles, zones: Zones) -> None:
    first = embed(zones.lake, encoder_files, [*TEXTS[:20], TEXTS[0]])
    assert (first.embedded, first.reused) == (20, 0)
    assert np.array_equal(first.vectors[0], first.vectors[20])
    again = embed(zones.lake, encoder_files, TEXTS[:20], load=refuse)
    assert (again.embedded, again.reused) == (0, 20)
    assert np.array_equal(again.vectors, first.vectors[:20])


def test_vectors_are_aligned_to_their_texts(encoder_files: EncoderFiles, zones: Zones) -> None:
    embed(zones.lake, encoder_files, TEXTS[10:30])
    mixed = embed(zones.lake, encoder_files, TEXTS[:40][::-1], save_every=8)
    assert (mixed.embedded, mixed.reused) == (20, 20)
    expected = load_encoder(encoder_files).encode(TEXTS[:40][::-1])
    np.testing.assert_allclose(mixed.vectors, expected, atol=1e-5)


def test_interrupted_work_resumes_and_ends_the_same(encoder_files: EncoderFiles, tmp_path: Path) -> None:
    encoder = load_encoder(encoder_files)
    undisturbed, disturbed = LocalStorage(tmp_path / "undisturbed"), LocalStorage(tmp_path / "disturbed")
    expected = embed(undisturbed, encoder_files, TEXTS, save_every=16)
    for _ in range(2):
        with pytest.raises(Interrupted):
            embed(disturbed, encoder_files, TEXTS, save_every=16, load=lambda _: StoppingEncoder(encoder, 1))
    assert saved(disturbed)
    resumed = embed(disturbed, encoder_files, TEXTS, save_every=16)
    assert 0 < resumed.embedded < len(TEXTS)
    assert resumed.vectors.tobytes() == expected.vectors.tobytes()


def test_a_damaged_file_is_embedded_again(encoder_files: EncoderFiles, zones: Zones) -> None:
    expected = embed(zones.lake, encoder_files, TEXTS[:10])
    (path,) = saved(zones.lake)
    whole = zones.lake.read(path)
    zones.lake.put(path, whole[:-100])
    found = embed(zones.lake, encoder_files, TEXTS[:10])
    assert found.embedded == 10
    assert found.vectors.tobytes() == expected.vectors.tobytes()
    assert zones.lake.read(path) == whole


def test_no_texts_need_no_encoder(encoder_files: EncoderFiles, zones: Zones) -> None:
    found = embed(zones.lake, encoder_files, [], load=refuse)
    assert found.vectors.shape == (0, DIMENSION)
    assert (found.embedded, found.reused) == (0, 0)


def test_files_without_a_wanted_text_are_not_read(encoder_files: EncoderFiles, zones: Zones, caplog) -> None:
    embed(zones.lake, encoder_files, TEXTS[:10])
    (path,) = saved(zones.lake)
    whole = zones.lake.read(path)
    middle = len(whole) // 2
    zones.lake.put(path, whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with caplog.at_level(logging.WARNING):
        embed(zones.lake, encoder_files, TEXTS[50:60])
        assert not caplog.records
        embed(zones.lake, encoder_files, TEXTS[:1])
        assert "is damaged" in caplog.text


def test_two_that_embed_the_same_at_one_time_hinder_nobody(encoder_files: EncoderFiles, zones: Zones) -> None:
    class Slower(StoppingEncoder):
        def encode_batches(self, texts: list[str], progress: str | None = None):
            embed(zones.lake, encoder_files, TEXTS[:20])
            yield from self.encoder.encode_batches(texts)

    found = embed(zones.lake, encoder_files, TEXTS[:30], load=lambda _: Slower(load_encoder(encoder_files), 0))
    assert found.embedded == 30
    again = embed(zones.lake, encoder_files, TEXTS[:30], load=refuse)
    np.testing.assert_allclose(again.vectors, found.vectors, atol=1e-6)


def test_many_small_additions_become_few_files_and_stay_the_same_vectors(
    encoder_files: EncoderFiles, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = np.concatenate([embed(zones.lake, encoder_files, [text]).vectors for text in TEXTS])
    files = saved(zones.lake)
    assert len(files) < 2 * TOGETHER
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "put", None)
        again = embed(zones.lake, encoder_files, TEXTS, load=refuse)
    assert again.vectors.tobytes() == first.tobytes()
    assert sum(len(digests_in(zones.lake, path)) for path in files) == len(TEXTS)


def test_files_that_two_processes_made_hold_each_text_once_when_they_are_one(
    encoder_files: EncoderFiles, zones: Zones, tmp_path: Path
) -> None:
    """Of two vectors of one text, which differ by what was embedded beside it, one stands before and after."""
    for number in range(TOGETHER - 1):
        other = LocalStorage(tmp_path / str(number))
        embed(other, encoder_files, TEXTS[number : number + 30])
        (path,) = saved(other)
        zones.lake.put(path, other.read(path))
    before = embed(zones.lake, encoder_files, TEXTS[:36], load=refuse)
    embed(zones.lake, encoder_files, TEXTS[40:60])
    (path,) = saved(zones.lake)
    assert digests_in(zones.lake, path) == sorted(text_digest(text) for text in TEXTS[:36] + TEXTS[40:60])
    after = embed(zones.lake, encoder_files, TEXTS[:36], load=refuse)
    assert after.vectors.tobytes() == before.vectors.tobytes()


def test_a_reader_finds_what_another_process_has_put_together_meanwhile(
    encoder_files: EncoderFiles, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in TEXTS[: TOGETHER - 1]:
        embed(zones.lake, encoder_files, [text])
    listed = LocalStorage.list

    def behind(storage: LocalStorage, prefix: str = "") -> Iterator[Entry]:
        entries = list(listed(storage, prefix))
        monkeypatch.setattr(LocalStorage, "list", listed)
        embed(zones.lake, encoder_files, TEXTS[TOGETHER - 1 : TOGETHER])
        assert len(saved(zones.lake)) == 1
        yield from entries

    monkeypatch.setattr(LocalStorage, "list", behind)
    found = embed(zones.lake, encoder_files, TEXTS[:TOGETHER], load=refuse)
    assert found.reused == TOGETHER


def test_a_process_that_ends_before_it_removes_what_it_has_put_together_leaves_all(
    encoder_files: EncoderFiles, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(storage: LocalStorage, path: str) -> None:
        raise Interrupted

    vectors = [embed(zones.lake, encoder_files, [text]).vectors for text in TEXTS[: TOGETHER - 1]]
    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "delete", end)
        with pytest.raises(Interrupted):
            embed(zones.lake, encoder_files, TEXTS[TOGETHER - 1 : TOGETHER])
    assert len(saved(zones.lake)) == TOGETHER + 1
    found = embed(zones.lake, encoder_files, TEXTS[:TOGETHER], load=refuse)
    assert found.vectors[: TOGETHER - 1].tobytes() == np.concatenate(vectors).tobytes()


def test_a_damaged_file_is_not_lost_among_those_that_are_put_together(
    encoder_files: EncoderFiles, zones: Zones
) -> None:
    embed(zones.lake, encoder_files, TEXTS[:1])
    (damaged,) = saved(zones.lake)
    zones.lake.put(damaged, zones.lake.read(damaged)[:-100] + bytes(100))
    for text in TEXTS[1:TOGETHER]:
        embed(zones.lake, encoder_files, [text])
    assert len(saved(zones.lake)) == 2
    assert damaged in saved(zones.lake)
    assert embed(zones.lake, encoder_files, TEXTS[:TOGETHER]).embedded == 1


def test_they_become_few_on_an_object_store_too(encoder_files: EncoderFiles, bucket: str) -> None:
    lake = open_storage(f"{bucket}/lake")
    first = [embed(lake, encoder_files, [text]).vectors for text in TEXTS[: TOGETHER + 1]]
    assert len(saved(lake)) == 2
    again = embed(lake, encoder_files, TEXTS[: TOGETHER + 1], load=refuse)
    assert again.vectors.tobytes() == np.concatenate(first).tobytes()
