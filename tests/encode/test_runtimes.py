"""Runtimes of one encoder: told and used alike, and as near to the reference as each says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from canonry.encode import (
    GRAPH,
    INT8,
    REFERENCE,
    RUNTIMES,
    Encoder,
    EncoderFiles,
    agreement,
    encoder_digest,
    exported,
    load_onnx,
    load_runtime,
)
from canonry.release import File
from tests.tiny_encoder import write_reference

TEXTS = [f"{verb} {noun} {number}" for number in range(4) for verb in ("send", "read") for noun in ("mail", "tables")]


@pytest.fixture(scope="module")
def tiny(encoder_files: EncoderFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderFiles]:
    folder = tmp_path_factory.mktemp("runtimes")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_reference(folder, encoder_files.tokenizer_file)


@pytest.mark.parametrize(("runtime", "least"), [(REFERENCE, 1 - 1e-6), (GRAPH, 1 - 1e-6), (INT8, 0.999)])
def test_every_runtime_gives_the_references_vectors_as_nearly_as_it_can(
    tiny: EncoderFiles, runtime: str, least: float
) -> None:
    expected = load_runtime(replace(tiny, runtime=REFERENCE)).encode(TEXTS)
    found = agreement(expected, load_runtime(replace(tiny, runtime=runtime)).encode(TEXTS))
    assert found.least >= least


def test_eight_bits_are_a_smaller_graph_with_other_vectors_and_the_same_bytes_each_time(
    tiny: EncoderFiles, tmp_path
) -> None:
    graph, eight = (exported(replace(tiny, runtime=each), tmp_path / "one") for each in (GRAPH, INT8))
    assert graph.stat().st_size > eight.stat().st_size
    assert exported(replace(tiny, runtime=INT8), tmp_path / "two").read_bytes() == eight.read_bytes()
    vectors = [load_runtime(replace(tiny, runtime=each)).encode(TEXTS) for each in (GRAPH, INT8)]
    assert not np.allclose(*vectors, atol=1e-6)


def test_what_a_release_carries_is_not_loaded_beside_the_same(tiny: EncoderFiles) -> None:
    loaded = load_runtime(replace(tiny, runtime=GRAPH))
    graph = exported(replace(tiny, runtime=GRAPH))
    assert load_runtime(replace(tiny, runtime=GRAPH)) is loaded
    assert load_onnx(loaded.files, graph, tiny.tokenizer_file) is loaded
    assert (loaded.files.onnx, loaded.files.tokenizer) == (File.of(graph).sha256, File.of(tiny.tokenizer_file).sha256)


def test_in_eight_bits_a_texts_vector_hardly_depends_on_its_batch(encoder: Encoder) -> None:
    """Where a whole batch had one scale, an outlier would change its neighbours."""
    eight = load_runtime(replace(encoder.files, runtime=INT8))
    together = eight.encode([*TEXTS, "!!!! ???? 漢字 " * 20])
    alone = np.concatenate([eight.encode([text]) for text in TEXTS])
    assert agreement(alone, together[: len(TEXTS)]).least > 0.999
    found = agreement(encoder.encode(TEXTS), alone)
    assert found.mean > 0.998 and found.overlap > 0.9


def test_vectors_of_other_runtimes_lengths_or_weights_are_kept_apart(tiny: EncoderFiles) -> None:
    others = [
        *(replace(tiny, runtime=each) for each in RUNTIMES),
        replace(tiny, max_tokens=9),
        replace(tiny, normalize=False),
        replace(tiny, sha256="0" * 64),
    ]
    assert len({encoder_digest(each) for each in others}) == len(others)
    assert encoder_digest(replace(tiny, name="another name", onnx="0" * 64)) == encoder_digest(tiny)
