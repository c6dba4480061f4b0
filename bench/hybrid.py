"""What words add to vectors: nDCG@10 of hybrid, dense and lexical search on every set of real questions.

Each set is cut, embedded and indexed as a canonical index is, and searched as a product searches it. The weight of
words is chosen as a build chooses it, by nested cross-validation: each question is answered with the weight that the
folds without it gave, and that many times over, since one way to cut a hundred questions into folds is luck. Intervals
are 95 %, by a paired bootstrap over questions. Vectors are kept in the machine's cache; the first run embeds for
minutes.

RAGTruth and HaluEval say which passages a question was asked of, and all of a set's passages make its corpus.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench._report import arguments, report
from canonry import catalog
from canonry.cache import cache_folder
from canonry.embedded import embed
from canonry.encode import Encoder, EncoderFiles, exported, files_of, load_onnx
from canonry.index.candidate import payload
from canonry.index.chunks import cut
from canonry.index.golden import Golden
from canonry.index.tables import DOCUMENTS
from canonry.index.tuning import cross_validated, ndcg_by_weight
from canonry.index.vectors import build
from canonry.search import CHUNKS, LEXICAL, VECTORS, LexicalIndex, Mode, TextIndex, VectorIndex
from canonry.stats.ranking import ndcg
from canonry.storage import open_zones

ENCODER = "all-MiniLM-L6-v2"
MAX_TOKENS = 200
REPEATS = 20
RESAMPLES = 10_000


@dataclass(frozen=True)
class Questions:
    """A corpus, columns DOCUMENTS, and questions whose documents are known."""

    documents: pa.Table
    golden: list[Golden]


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=100_000, quick_rows=100_000)
    sets = {name: read for name, read in SETS.items() if not options.quick or name == TARGET}
    files = files_of(ENCODER, catalog.load(Path(__file__).parents[1] / "assets").models[ENCODER])
    rows, ratios = [], {}
    for name, read in sets.items():
        found = measured(read(options.data), files)
        ratios[name] = found["hybrid"].mean() / found["dense"].mean()
        rows.append((name, len(found["dense"]), *figures(found)))
    header = ("questions of", "number", "dense", "lexical", "hybrid", "hybrid / dense", "hybrid - the better of both")
    report("hybrid", ratios[TARGET], "higher", header, rows)


def measured(asked: Questions, files: EncoderFiles) -> dict[str, np.ndarray]:
    """nDCG@10 of each question (questions,) by way of searching; `hybrid` with weights that did not see it."""
    chunks = cut(asked.documents, files.tokenizer_file, MAX_TOKENS)
    lake = open_zones(cache_folder() / "bench" / "hybrid").lake
    texts, queries = chunks["text"].to_pylist(), [each.query for each in asked.golden]
    vectors = embed(lake, files, [*texts, *queries], load=_onnx).vectors
    with tempfile.TemporaryDirectory(prefix="canonry-bench-") as folder:
        for name, data in payload(chunks, build(vectors[: len(texts)], "Flat"), "english").items():
            (Path(folder) / name).write_bytes(data)
        words = LexicalIndex(Path(folder) / LEXICAL, len(texts))
        index = TextIndex(VectorIndex(Path(folder) / VECTORS, Path(folder) / CHUNKS), words)
        asked_vectors = vectors[len(texts) :]
        weighed = ndcg_by_weight(index, asked.golden, asked_vectors)
        crossed = [cross_validated(weighed, queries, seed=str(seed)) for seed in range(REPEATS)]
        alone: dict[str, Mode] = {"dense": "dense", "lexical": "lexical"}
        found = {name: by_mode(index, asked.golden, asked_vectors, mode) for name, mode in alone.items()}
    return {**found, "hybrid": np.mean(crossed, axis=0)}


def by_mode(index: TextIndex, golden: list[Golden], vectors: np.ndarray, mode: Mode) -> np.ndarray:
    """nDCG@10 (questions,) of one way of searching."""
    hits = index.search([each.query for each in golden], lambda _: vectors, 100, mode=mode)
    ranked = [list(dict.fromkeys(hit.document_id for hit in each)) for each in hits]
    return np.array([ndcg(documents, each.documents) for documents, each in zip(ranked, golden, strict=True)])


def figures(found: dict[str, np.ndarray]) -> tuple[object, ...]:
    """Means, the ratio to dense and the difference to the better of both, with their intervals."""
    dense, lexical, hybrid = (found[name] for name in ("dense", "lexical", "hybrid"))
    better = dense if dense.mean() > lexical.mean() else lexical
    some = np.random.default_rng(0).integers(0, len(dense), (RESAMPLES, len(dense)))
    ratio = np.quantile(hybrid[some].mean(axis=1) / dense[some].mean(axis=1), (0.025, 0.975))
    apart = np.quantile((hybrid - better)[some].mean(axis=1), (0.025, 0.975))
    return (
        *(f"{each.mean():.4f}" for each in (dense, lexical, hybrid)),
        f"{hybrid.mean() / dense.mean():.3f} [{ratio[0]:.3f}, {ratio[1]:.3f}]",
        f"{(hybrid - better).mean():+.4f} [{apart[0]:+.4f}, {apart[1]:+.4f}]",
    )


def product_documentation(data: Path) -> Questions:
    """232 sections of a product's documentation, and 100 questions of which a person said where the answers are."""
    folder = data / "cookbook_docs_retrieval"
    sections = [(row["chunk_link"], row["chunk_heading"], row["text"]) for row in _rows(folder / "corpus.jsonl.gz")]
    asked = _rows(folder / "queries.jsonl.gz")
    return _questions(sections, {row["question"]: set(row["correct_chunks"]) for row in asked})


def web_questions(data: Path) -> Questions:
    """RAGTruth: questions that people asked a search engine, each with the passages found for it."""
    passages: dict[str, str] = {}
    asked: dict[str, set[str]] = {}
    for row in _rows(data / "ragtruth" / "sources.jsonl.gz"):
        if row["task_type"] == "QA":
            given = [text.strip() for text in re.split(r"passage \d+:", row["source_info"]["passages"])]
            _add(passages, asked, row["source_info"]["question"], [text for text in given if text])
    return _questions([(name, None, text) for name, text in passages.items()], asked)


def two_step_questions(data: Path) -> Questions:
    """HaluEval: questions written so that their answer needs two facts, each with the passage that has both."""
    passages: dict[str, str] = {}
    asked: dict[str, set[str]] = {}
    for path in sorted((data / "halueval_qa_sample").glob("*.jsonl.gz")):
        for row in _rows(path):
            _add(passages, asked, row["question"], [row["knowledge"]])
    return _questions([(name, None, text) for name, text in passages.items()], asked)


TARGET = "cookbook_docs_retrieval"
SETS: dict[str, Callable[[Path], Questions]] = {
    TARGET: product_documentation,
    "ragtruth": web_questions,
    "halueval_qa_sample": two_step_questions,
}


def _add(passages: dict[str, str], asked: dict[str, set[str]], question: str, texts: list[str]) -> None:
    for text in texts:
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        passages[name] = text
        asked.setdefault(question, set()).add(name)


def _questions(documents: list[tuple[str, str | None, str]], asked: dict[str, set[str]]) -> Questions:
    rows = [dict(zip(DOCUMENTS.names, row, strict=True)) for row in sorted(documents, key=lambda row: row[0])]
    golden = [Golden(question, frozenset(right)) for question, right in asked.items()]
    return Questions(pa.Table.from_pylist(rows, schema=DOCUMENTS), golden)


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _onnx(files: EncoderFiles) -> Encoder:
    # As quick as it gets on a processor; its vectors are the reference's to four decimals.
    return load_onnx(files, exported(files), files.tokenizer_file)  # type: ignore[return-value]


if __name__ == "__main__":
    main()
