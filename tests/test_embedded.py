"""Embeddings: computed once, saved on the way, and the same however often they were interrupted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from canonry import catalog
from canonry.embedded import embed
from canonry.encode import Encoder, EncoderFiles, files_of, load_encoder
from canonry.storage import LocalStorage, Zones
from tests.tiny_encoder import DIMENSION, write_reference

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


def saved(lake: LocalStorage) -> list[str]:
    return [entry.path for entry in lake.list("embeddings")]


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
