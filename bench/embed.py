"""Texts a second: our batches against sentence-transformers' default (batches of 32), on chunks of documentation.

Every side embeds the same texts in every round, one side after the other in an order that rotates; each round draws
other texts. The default runs twice: how far its two rows lie apart (A/A) is the noise that a gain must exceed.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import catalog
from canonry.encode import Encoder, EncoderFiles, files_of, load_encoder
from canonry.index.chunks import cut
from canonry.index.tables import DOCUMENTS

ENCODER = "all-MiniLM-L6-v2"
MAX_TOKENS = 200
OURS, DEFAULT, AGAIN = "canonry", "sentence-transformers", "sentence-transformers again (A/A)"


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=256, quick_rows=64)
    files = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    encoder = load_encoder(files)
    texts, kind = documentation(options.data, files)
    sides = open_sides(encoder, files)
    check_agreement(sides, texts[:40])
    seconds, tokens = interleaved(sides, encoder, texts, options.rows, rounds=3 if options.quick else 5)
    median = {name: float(np.median(each)) for name, each in seconds.items()}
    ratio = float(np.median(np.array(seconds[DEFAULT]) / np.array(seconds[OURS])))
    print(f"{options.rows:,} texts a round, drawn from {len(texts):,} {kind}\n")
    report(
        "embed",
        ratio,
        "higher",
        ("", "texts a second", "tokens a second", "default / this"),
        [
            (name, options.rows / each, tokens / each, float(np.median(np.array(seconds[DEFAULT]) / seconds[name])))
            for name, each in median.items()
        ],
    )


def documentation(data: Path, files: EncoderFiles) -> tuple[list[str], str]:
    """Chunks of real documentation, or, where that is absent, made texts of such lengths; and what they are."""
    source = data / "docs_kb" / "docs.jsonl.gz"
    if not source.is_file():
        lengths = np.random.default_rng(0).gamma(2.0, 60.0, 2_000).astype(int).clip(5, 180)
        return ["word " * int(length) for length in lengths], "made texts (no real data found)"
    with gzip.open(source, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    documents = [{"document_id": row["path"], "title": None, "text": row["text"]} for row in rows]
    table = cut(pa.Table.from_pylist(documents, schema=DOCUMENTS), files.tokenizer_file, MAX_TOKENS)
    return table["text"].to_pylist(), f"documentation chunks of at most {MAX_TOKENS} tokens"


def open_sides(encoder: Encoder, files: EncoderFiles) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """What is compared, by name: each takes texts and gives their vectors."""
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(files.folder), device="cpu", local_files_only=True)

    def default(texts: list[str]) -> np.ndarray:
        return reference.encode(texts, show_progress_bar=False)

    return {OURS: encoder.encode, DEFAULT: default, AGAIN: default}


def check_agreement(sides: dict[str, Callable[[list[str]], np.ndarray]], texts: list[str]) -> None:
    """Ends the run where the sides' vectors differ: then there is nothing to compare. Also warms them up."""
    vectors = [embed(texts) for embed in sides.values()]
    furthest = max(float(np.abs(each - vectors[0]).max()) for each in vectors)
    if furthest > 1e-5:
        raise SystemExit(f"vectors differ by {furthest:.1e}, expected at most 1e-5: nothing to compare")


def interleaved(
    sides: dict[str, Callable[[list[str]], np.ndarray]], encoder: Encoder, texts: list[str], size: int, rounds: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds of each round on every side, and the mean number of tokens in a round."""
    generator = np.random.default_rng(0)
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    tokens = 0
    for number in range(rounds):
        drawn = [texts[row] for row in generator.choice(len(texts), size, replace=size > len(texts))]
        tokens += int(encoder.count_tokens(drawn).sum())
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            sides[name](drawn)
            seconds[name].append(time.perf_counter() - started)
    return seconds, tokens / rounds


if __name__ == "__main__":
    main()
