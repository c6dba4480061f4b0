"""The encoder that a release carries: the reference as a graph, the same bytes each time, and the same vectors."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from canonry.encode import (
    LEAST_COSINE,
    Encoder,
    EncoderError,
    EncoderFiles,
    agreement,
    exported,
    load_encoder,
    load_onnx,
    recipe_digest,
)
from tests.tiny_encoder import write_graph, write_reference

TEXTS = ["", "short", "a somewhat longer sentence about billing", "word " * 400, "naïve café 漢字 🎉", "x" * 3_000]

EXPORT = """
import json, sys
from pathlib import Path
from canonry.encode import EncoderFiles, exported

sys.path.insert(0, sys.argv[1])
print(exported(EncoderFiles(**json.loads(sys.argv[2])), cache=Path(sys.argv[3])))
"""


@pytest.fixture(scope="module")
def tiny(encoder_files: EncoderFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderFiles]:
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_reference(folder, encoder_files.tokenizer_file)


def test_the_real_encoder_agrees_with_the_reference_on_texts_of_every_length(encoder: Encoder) -> None:
    graph = load_onnx(encoder.files, exported(encoder.files), encoder.tokenizer_file)
    found = agreement(encoder.encode(TEXTS), graph.encode(TEXTS))
    assert (found.texts, found.mean) == (len(TEXTS), pytest.approx(1, abs=1e-6))
    assert found.least >= LEAST_COSINE
    np.testing.assert_allclose(np.linalg.norm(graph.encode(TEXTS), axis=1), 1, atol=1e-6)


def test_fresh_processes_export_the_same_bytes(tiny: EncoderFiles, tmp_path: Path) -> None:
    def export(place: str) -> bytes:
        files = {name: value for name, value in asdict(tiny).items() if value is not None}
        arguments = [str(tiny.folder.parents[1]), json.dumps(files), str(tmp_path / place)]
        done = subprocess.run([sys.executable, "-c", EXPORT, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip()).read_bytes()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(export, ("here", "there"))
    assert first == second
    assert str(Path(__file__).parents[2]).encode() not in first


def test_what_is_exported_is_kept_and_a_damaged_copy_is_made_again(tiny: EncoderFiles, tmp_path: Path) -> None:
    loads: list[EncoderFiles] = []

    def load(files: EncoderFiles) -> Encoder:
        loads.append(files)
        return load_encoder(files)

    path = exported(tiny, tmp_path, load)
    whole = path.read_bytes()
    assert path.stem == hashlib.sha256(whole).hexdigest()
    assert exported(tiny, tmp_path, load) == path
    assert len(loads) == 1
    path.write_bytes(whole[:-1] + b"?")
    assert exported(tiny, tmp_path, load).read_bytes() == whole
    assert len(loads) == 2


def test_another_length_weights_or_normalisation_are_another_recipe(tiny: EncoderFiles) -> None:
    others = [replace(tiny, **change) for change in ({"sha256": "0" * 64}, {"max_tokens": 9}, {"normalize": False})]
    assert len({recipe_digest(each) for each in (tiny, *others)}) == 4


def test_vectors_without_length_one_stay_as_they_are(tiny: EncoderFiles, tmp_path: Path) -> None:
    files = replace(tiny, normalize=False)
    graph = load_onnx(files, exported(files, tmp_path), files.tokenizer_file)
    np.testing.assert_allclose(graph.encode(TEXTS), load_encoder(files).encode(TEXTS), atol=1e-5)
    assert not np.allclose(np.linalg.norm(graph.encode(TEXTS), axis=1), 1)


def made_up(dimension: int = 3) -> EncoderFiles:
    return EncoderFiles("made-up", "none", "none", "0" * 64, dimension, max_tokens=4)


def test_a_graph_reads_no_further_than_its_encoder(tmp_path: Path) -> None:
    graph = load_onnx(made_up(), *write_graph(tmp_path, ["red", "green", "blue"], 3))
    vectors = graph.encode(["red", "green green", "unknown", "", "red red red red blue blue"])
    np.testing.assert_allclose(vectors, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]], atol=1e-6)
    assert vectors.dtype == np.float32
    assert graph.encode([]).shape == (0, 3)
    assert graph.count_tokens(["red red red red blue blue"]).tolist() == [6]


def test_threads_may_share_a_graph(tmp_path: Path) -> None:
    graph = load_onnx(made_up(), *write_graph(tmp_path, ["red", "green", "blue"], 3), threads=1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: graph.encode([text])[0].tolist(), ["red", "blue"] * 50))
    assert found == [[1, 0, 0], [0, 0, 1]] * 50


def test_files_that_are_no_encoder_are_refused(tmp_path: Path) -> None:
    model, tokenizer = write_graph(tmp_path, ["red", "green", "blue"], 3)
    with pytest.raises(EncoderError, match="have 3 values, expected 4"):
        load_onnx(made_up(4), model, tokenizer)
    other = tmp_path / "other"
    other.write_bytes(b"no graph")
    with pytest.raises(EncoderError, match="no graph that ONNX Runtime reads"):
        load_onnx(made_up(), other, tokenizer)
    with pytest.raises(EncoderError, match="is no tokenizer"):
        load_onnx(made_up(), model, other)
    more = tmp_path / "more"
    more.mkdir()
    _, larger = write_graph(more, ["a", "b", "c", "d", "dimension"], 5)
    with pytest.raises(EncoderError, match="cannot use its tokenizer's words"):
        load_onnx(made_up(), model, larger)
    renamed = tmp_path / "renamed"
    renamed.write_bytes(model.read_bytes().replace(b"input_ids", b"input_idz"))
    with pytest.raises(EncoderError, match="takes attention_mask, input_idz, expected input_ids"):
        load_onnx(made_up(), renamed, tokenizer)
