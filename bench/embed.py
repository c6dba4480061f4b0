"""Texts a second: our runtimes against sentence-transformers' default (batches of 32), on what the platform embeds.

Texts of mixed lengths are questions, passages and answers of calls and chunks of documentation, all of real sets, drawn
at random, as calls and documents come: they show what batches and the runtime gain together. Texts of one length are
chunks alone: they show the runtime alone. Every side embeds the same texts in every round, on as many threads, one side
after the other in an order that rotates; each round draws other texts. The default runs twice: how far its two rows lie
apart (A/A) is the noise that a gain must exceed. `agreement` is the mean cosine with the default's vectors and the
share of ten nearest texts that both find, `of peak` that of the fastest matrix multiplication that numpy does here.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import catalog
from canonry.encode import GRAPH, INT8, REFERENCE, EncoderFiles, TextEncoder, agreement, files_of, load_runtime
from canonry.index.chunks import cut
from canonry.index.tables import DOCUMENTS

ENCODER = "all-MiniLM-L6-v2"
MAX_TOKENS = 200
ALIKE = (90, 110)
"""Tokens of texts of one length."""
OURS, EIGHT, SORTED = "canonry, onnx fp32", "canonry, onnx-int8", "canonry, torch"
DEFAULT, AGAIN = "sentence-transformers", "sentence-transformers again (A/A)"
ASKED = {
    "halueval_general/general_data.jsonl.gz": ("user_query", "chatgpt_response"),
    "halueval_qa_sample/qa_one-turn_data.jsonl.gz": ("question", "knowledge", "right_answer"),
    "haluquestqa/preference_data.jsonl.gz": ("question_text", "preferred_response"),
    "ragtruth/responses.jsonl.gz": ("response",),
    "cookbook_docs_retrieval/queries.jsonl.gz": ("question", "correct_answer"),
}
"""Sets of real calls, and the fields of them that are embedded."""
THREADS = os.cpu_count() or 1
LEAST_COSINE = {OURS: 0.9999, SORTED: 0.9999, EIGHT: 0.99}


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=256, quick_rows=64)
    files = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    sides = open_sides(files)
    counter = load_runtime(replace(files, runtime=GRAPH), THREADS)
    chunks, kind = documentation(options.data, files)
    mixed = [*asked_and_answered(options.data), *chunks]
    lengths = counter.count_tokens(chunks)
    alike = [text for text, tokens in zip(chunks, lengths, strict=True) if ALIKE[0] <= tokens <= ALIKE[1]]
    agreed = check_agreement(sides, mixed[:: max(1, len(mixed) // (40 if options.quick else 400))])
    peak = multiplications_a_second()
    rounds = 3 if options.quick else 5
    rows, ratio = [], 0.0
    for name, some in (("mixed lengths", mixed), ("one length", alike)):
        seconds, tokens = interleaved(sides, counter, some, options.rows, rounds)
        base = np.array(seconds[DEFAULT])
        for side, each in seconds.items():
            median = float(np.median(each))
            gain = float(np.median(base / np.array(each)))
            if (name, side) == ("mixed lengths", OURS):
                ratio = gain
            share = tokens / median * MULTIPLICATIONS / peak
            rows.append((f"{name}: {side}", options.rows / median, tokens / median, gain, agreed[side], f"{share:.0%}"))
    few, middle, many = np.quantile(counter.count_tokens(mixed), (0.1, 0.5, 0.9)).astype(int)
    print(
        f"{options.rows:,} texts a round on {THREADS} threads: mixed, of {len(mixed):,} questions, passages, answers "
        f"and {kind} (a tenth has up to {few} tokens, half up to {middle}, nine tenths up to {many}); "
        f"alike, of {len(alike):,} chunks of {ALIKE[0]} to {ALIKE[1]}\n"
    )
    report("embed", ratio, "higher", ("", "texts/s", "tokens/s", "default / this", "agreement", "of peak"), rows)


MULTIPLICATIONS = 6 * (4 * 384 * 384 + 2 * 384 * 1536)
"""Multiplications by weights for a token of this encoder; attention adds a few in a hundred."""


def multiplications_a_second() -> float:
    """The fastest of some multiplications of float32 matrices, on as many threads as numpy takes."""
    left, right = np.ones((1_024, 1_536), np.float32), np.ones((1_536, 1_536), np.float32)
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        left @ right
        best = max(best, 1_024 * 1_536 * 1_536 / (time.perf_counter() - started))
    return best


def asked_and_answered(data: Path) -> list[str]:
    """Questions, the passages that they were answered from, and answers; none where the real sets are absent."""
    texts = []
    for name, fields in ASKED.items():
        if (data / name).is_file():
            with gzip.open(data / name, "rt") as lines:
                texts += [row[field] for row in map(json.loads, lines) for field in fields]
    return texts


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


def open_sides(files: EncoderFiles) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """What is compared, by name: each takes texts and gives their vectors."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    reference = SentenceTransformer(str(files.folder), device="cpu", local_files_only=True)

    def default(texts: list[str]) -> np.ndarray:
        return reference.encode(texts, show_progress_bar=False)

    runtimes = {OURS: GRAPH, EIGHT: INT8, SORTED: REFERENCE}
    ours = {name: load_runtime(replace(files, runtime=runtime), THREADS).encode for name, runtime in runtimes.items()}
    return {**ours, DEFAULT: default, AGAIN: default}


def check_agreement(sides: dict[str, Callable[[list[str]], np.ndarray]], texts: list[str]) -> dict[str, str]:
    """Each side's agreement in words. Ends the run where it is too little to compare. Also warms the sides up."""
    expected = sides[DEFAULT](texts)
    said = {}
    for name, embed in sides.items():
        found = agreement(expected, embed(texts))
        least = LEAST_COSINE.get(name, 1 - 1e-6)
        if (found.mean if name == EIGHT else found.least) < least:
            raise SystemExit(f"{name}: agrees with the default to {found}, expected {least}: nothing to compare")
        said[name] = f"{found.mean:.4f}, {found.overlap:.3f}"
    return said


def interleaved(
    sides: dict[str, Callable[[list[str]], np.ndarray]], counter: TextEncoder, texts: list[str], size: int, rounds: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds of each round on every side, and the mean number of tokens that are seen in a round."""
    generator = np.random.default_rng(0)
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    tokens = 0
    for number in range(rounds):
        drawn = [texts[row] for row in generator.choice(len(texts), size, replace=size > len(texts))]
        tokens += int(np.minimum(counter.count_tokens(drawn), counter.files.max_tokens).sum())
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = time.perf_counter()
            sides[name](drawn)
            seconds[name].append(time.perf_counter() - started)
    return seconds, tokens / rounds


if __name__ == "__main__":
    main()
