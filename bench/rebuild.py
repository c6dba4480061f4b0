"""An index built again after 1 % of its documents changed, against a full build of the same documents.

Documents are real summaries of news. Both go from JSON Lines to a candidate that its gate let pass; the full build
begins with an empty lake, the other with the lake of the build before. Encoder and libraries are loaded, and its graph
exported, before either is timed. The two candidates must find the same.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench._report import arguments, report
from canonry import catalog
from canonry.catalog import IndexSpec
from canonry.encode import REFERENCE, EncoderFiles, files_of, load_runtime
from canonry.index import candidate, store
from canonry.index.build import Build, build_index
from canonry.search import TextIndex
from canonry.storage import Zones, open_zones

ENCODER, NAME = "all-MiniLM-L6-v2", "summaries"
CHANGED = 0.01
ALLOWED_SHARE, ALLOWED_SECONDS = 0.03, 2.0


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=3_000, quick_rows=300)
    encoder = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    before = summaries(options.data, options.rows)
    after = changed(before)
    with tempfile.TemporaryDirectory(prefix="canonry-rebuild-") as folder:
        zones, other = (open_zones(Path(folder) / place) for place in ("changed", "full"))
        spec = spec_of(Path(folder) / "documents.jsonl")
        write(spec, before)
        for each in (encoder, replace(encoder, runtime=REFERENCE)):
            load_runtime(each).encode(["loaded before anything is timed"])
        build_index(zones, NAME, spec, encoder)
        write(spec, after)
        rebuild, again = timed(zones, spec, encoder)
        full, fresh = timed(other, spec, encoder)
        same = found_alike(opened(zones, again), opened(other, fresh))
    if same < 0.999:
        raise SystemExit(f"the two find the same for {same:.1%} of rows: nothing to compare")
    allowed = ALLOWED_SHARE * full + ALLOWED_SECONDS
    print(
        f"{options.rows:,} documents, {again.embeddings.embedded} chunks embedded again of {again.chunks.rows:,}; "
        f"{same:.2%} of what is found is the same; allowed: {allowed:.1f} s\n"
    )
    report(
        "rebuild",
        rebuild / full,
        "lower",
        ("", "seconds", "chunks embedded"),
        [
            ("full build", full, fresh.embeddings.embedded),
            ("with 1 % changed", rebuild, again.embeddings.embedded),
        ],
    )


def summaries(data: Path, count: int) -> list[dict[str, str]]:
    """Documents, or a SystemExit where there are too few."""
    source = data / "vectara_v1_summaries" / "summaries_judged.jsonl.gz"
    with gzip.open(source, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    found = [{"id": row["summary_uid"] + row["model_name"], "text": row["summary"]} for row in rows if row["summary"]]
    documents = list({each["id"]: each for each in found}.values())
    if len(documents) < count:
        raise SystemExit(f"{source} has {len(documents):,} summaries, expected {count:,}")
    order = np.random.default_rng(0).permutation(len(documents))[:count]
    return [documents[row] for row in order]


def changed(documents: list[dict[str, str]]) -> list[dict[str, str]]:
    """A hundredth of them with another beginning."""
    every = round(1 / CHANGED)
    return [
        each | {"text": f"Corrected since. {each['text']}"} if number % every == 0 else each
        for number, each in enumerate(documents)
    ]


def spec_of(path: Path) -> IndexSpec:
    """An index of the documents in this file, as it would be governed."""
    about: dict[str, Any] = {"description": "summaries of news", "owner": "bench", "encoder": ENCODER}
    return IndexSpec.model_validate({**about, "documents": {"location": str(path)}})


def write(spec: IndexSpec, documents: list[dict[str, str]]) -> None:
    """Put the documents where the spec looks for them."""
    [source] = spec.model_dump(mode="json")["documents"] if isinstance(spec.documents, tuple) else [spec.documents]
    location = source["location"] if isinstance(source, dict) else source.location
    Path(location).write_text("".join(json.dumps(each) + "\n" for each in documents))


def timed(zones: Zones, spec: IndexSpec, encoder: EncoderFiles) -> tuple[float, Build]:
    """Seconds of a build up to its gate."""
    started = time.perf_counter()
    built = build_index(zones, NAME, spec, encoder)
    seconds = time.perf_counter() - started
    if built.gate is None or not built.gate.passed:
        raise SystemExit(f"the gate did not let it pass: {built.gate}")
    return seconds, built


def opened(zones: Zones, built: Build) -> TextIndex:
    """The candidate, as its gate opens it."""
    assert built.version
    return candidate.opened(store.read_candidate(zones.lake, NAME, built.version).files)


def found_alike(one: TextIndex, other: TextIndex) -> float:
    """Share of the ten nearest of some rows that both find."""
    rows = np.random.default_rng(1).permutation(len(one.vectors))[:200]
    queries = one.vectors.faiss.reconstruct_batch(rows)
    _, first = one.vectors.nearest(queries, 10)
    _, second = other.vectors.nearest(queries, 10)
    return float(np.mean([len(np.intersect1d(*pair)) / first.shape[1] for pair in zip(first, second, strict=True)]))


if __name__ == "__main__":
    main()
