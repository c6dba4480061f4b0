"""The encoder that an index carries: kept once in the lake, whatever number of candidates and releases hold it.

`encoders/DIGEST` are the files, each named by the digest of its bytes; `encoders/RECIPE.json` says which ones an
encoder came to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from canonry.catalog.specs import Gate
from canonry.embedded import embed
from canonry.encode import (
    INT8,
    LEAST_COSINE,
    MODEL_FILE,
    REFERENCE,
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

SAMPLE, LARGE_SAMPLE = 32, 256
"""Chunks of every length whose vectors are compared; the second where their nearest are, too."""


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


def measure(lake: Storage, carried: Carried, texts: Sequence[str], gate: Gate) -> Agreement:
    """How well the carried encoder agrees with the reference on a sample of `texts`.

    Raises IndexBuildError where that is too little: of fp32 the worst text counts, of eight bits what `gate` asks.
    """
    quantized = carried.encoder.runtime == INT8
    sample = [texts[row] for row in spread_sample(texts, LARGE_SAMPLE if quantized else SAMPLE)]
    with (
        lake.local_copy(_path(carried.files[MODEL_FILE])) as model,
        lake.local_copy(_path(carried.files[TOKENIZER_FILE])) as tokenizer,
    ):
        for path, copy in ((MODEL_FILE, model), (TOKENIZER_FILE, tokenizer)):
            if carried.files[path].problem(File.of(copy)):
                raise _damaged(lake, carried.files[path])
        # Kept by the graph's own digest: what it gave for a text once, it need not give again.
        graph = replace(carried.encoder, sha256=carried.files[MODEL_FILE].sha256)
        own = embed(lake, graph, sample, load=lambda _: load_onnx(carried.encoder, model, tokenizer))
    found = agreement(embed(lake, replace(carried.encoder, runtime=REFERENCE), sample).vectors, own.vectors)
    name = carried.encoder.name
    if quantized:
        if found.mean < gate.int8_mean_cosine or found.overlap < gate.int8_overlap_at_10:
            raise IndexBuildError(
                f"encoder {name}: onnx-int8 agrees with the reference on {found.texts} chunks to a mean cosine of "
                f"{found.mean} and {found.overlap:.3f} of the ten nearest, expected at least {gate.int8_mean_cosine} "
                f"and {gate.int8_overlap_at_10}; set runtime: onnx in assets/models/{name}.yaml"
            )
    elif found.least < LEAST_COSINE:
        raise IndexBuildError(
            f"encoder {name}: its ONNX file agrees with the reference to a cosine of {found.least} on "
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
