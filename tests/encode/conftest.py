"""The canonical encoder, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonry import catalog
from canonry.encode import Encoder, EncoderFiles, files_of, load_encoder

ASSETS = Path(__file__).parents[2] / "assets"
NAME = "all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def encoder_files() -> EncoderFiles:
    return files_of(NAME, catalog.load(ASSETS).models[NAME])


@pytest.fixture(scope="session")
def encoder(encoder_files: EncoderFiles) -> Encoder:
    return load_encoder(encoder_files)
