"""The encoder that an index carries: kept once in the lake, whatever number of candidates and releases hold it.

`encoders/DIGEST` are the files, each named by the digest of its bytes; `encoders/RECIPE.json` says which ones an
encoder came to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from canonry.embedded import embed
from canonry.encode import (
    LEAST_COSINE,
    MODEL_FILE,
    TOKENIZER_FILE,
    Agreement,
    EncoderFiles,
    agreement,
    exported,
    load_onnx,
    recipe,
    recipe_digest,
    spread_sample,
)
from canonry.index.errors import IndexBuildError
from canonry.release import File
from canonry.storage import NotFound, Storage

SAMPLE = 32
"""Chunks whose vectors are compared, from the shortest to the longest."""


@dataclass(frozen=True)
class Carried:
    """An encoder's files by their path in a release, and the encoder with their digests."""

    files: dict[str, File]
    encoder: EncoderFiles


def carry(lake: Storage, encoder: EncoderFiles) -> Carried:
    """The encoder as a release carries it, exported where the lake does not have it yet. Raises EncoderError."""
    about = f"encoders/{recipe_digest(encoder)}.json"
    try:
        files = {path: File(**file) for path, file in json.loads(lake.read(about))["files"].items()}
        absent = any((entry := lake.head(_path(file))) is None or entry.size != file.size for file in files.values())
    except NotFound:
        absent = True
    if absent:
        sources = {MODEL_FILE: exported(encoder), TOKENIZER_FILE: encoder.tokenizer_file}
        files = {path: File.of(source) for path, source in sources.items()}
        for path, source in sources.items():
            lake.put_file(_path(files[path]), source)
        document = {
            "encoder": encoder.name,
            "recipe": recipe(encoder),
            "files": {path: asdict(file) for path, file in files.items()},
        }
        lake.put(about, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
    onnx, tokenizer = files[MODEL_FILE].sha256, files[TOKENIZER_FILE].sha256
    return Carried(files, replace(encoder, onnx=onnx, tokenizer=tokenizer))


def measure(lake: Storage, carried: Carried, texts: Sequence[str]) -> Agreement:
    """How well the carried encoder agrees with the reference on a sample of `texts`.

    Raises IndexBuildError where the least cosine of the sample is under LEAST_COSINE.
    """
    rows = spread_sample(texts, SAMPLE)
    with (
        lake.local_copy(_path(carried.files[MODEL_FILE])) as model,
        lake.local_copy(_path(carried.files[TOKENIZER_FILE])) as tokenizer,
    ):
        for path, copy in ((MODEL_FILE, model), (TOKENIZER_FILE, tokenizer)):
            if carried.files[path].problem(File.of(copy)):
                raise _damaged(lake, carried.files[path])
        own = load_onnx(carried.encoder, model, tokenizer).encode([texts[row] for row in rows])
    found = agreement(embed(lake, carried.encoder, [texts[row] for row in rows]).vectors, own)
    if found.least < LEAST_COSINE:
        raise IndexBuildError(
            f"encoder {carried.encoder.name}: its ONNX file agrees with the reference to a cosine of {found.least} on "
            f"the worst of {found.texts} chunks, expected at least {LEAST_COSINE}; delete encoders/ in {lake.url} and "
            "build again, and if it stays so pin other versions of torch and onnxscript"
        )
    return found


def read_carried(lake: Storage, files: Mapping[str, File]) -> dict[str, bytes]:
    """The files' bytes by their path in a release, verified. Raises IndexBuildError."""
    found = {}
    for path, file in files.items():
        try:
            data = lake.read(_path(file))
        except NotFound:
            raise _damaged(lake, file) from None
        if File.of(data) != file:
            raise _damaged(lake, file)
        found[path] = data
    return found


def _path(file: File) -> str:
    return f"encoders/{file.sha256}"


def _damaged(lake: Storage, file: File) -> IndexBuildError:
    return IndexBuildError(f"{lake.url}/{_path(file)}: is missing or damaged; delete it and build the index again")
