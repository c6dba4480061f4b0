"""Scores of real answers by the platform's own scorer, trained on other sources than those it scores."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

import canonry.score
from bench.groundedness import as_labeled, read
from canonry.cache import cache_folder
from canonry.score import Labeled, cross_fitted, rarity, signals, train

ALL_SOURCES = 10**6
FACTS = ("response_model", "feature")


@dataclass(frozen=True)
class Scored:
    """Answers with what people said of them and what a scorer says that was trained on other sources."""

    name: str
    positive: np.ndarray
    """(N,) whether people call it hallucinated."""
    score: np.ndarray
    """(N,) probability of that."""
    stratum: np.ndarray
    """(N,) number of the answer's model; of HaluEval, which has one, of its quarter by length."""
    source: np.ndarray
    """(N,) number of what it was answered from, or of its question."""


def ragtruth(data: Path, *, quick: bool = False) -> Scored:
    """RAGTruth's answers with scores cross-fitted by source.

    `quick` trains one scorer on a sixth of the sources, and has the answers of the others.
    """
    responses, sources = read(data, ALL_SOURCES)
    labeled = [as_labeled(each, sources[each["source_id"]]) for each in responses]
    if quick:
        names = sorted({each.source for each in labeled})
        taught = set(names[::6])
        scorer = train([each for each in labeled if each.source in taught], None, facts=FACTS).scorer
        labeled = [each for each in labeled if each.source not in taught]
        said = scorer.score([each.answer for each in labeled], [each.facts for each in labeled], None)
        score = np.array([each.value for each in said])
    else:
        score = _remembered("ragtruth", data / "ragtruth" / "responses.jsonl.gz", lambda: _cross_fitted(labeled))
    models = _numbered([str(each.facts["response_model"]) for each in labeled])
    positive = np.array([each.hallucinated for each in labeled])
    return Scored("RAGTruth", positive, score, models, _numbered([each.source for each in labeled]))


def halueval(data: Path) -> Scored:
    """HaluEval's answers to general questions, scored by their words alone, folds by question.

    They come without passages, and the platform's scorer holds answers against passages.
    """
    rows = _lines(data / "halueval_general" / "general_data.jsonl.gz")
    texts = np.array([f"{row['user_query']}\n{row['chatgpt_response']}" for row in rows], dtype=object)
    positive = np.array([row["hallucination"] == "yes" for row in rows])
    question = _numbered([row["user_query"] for row in rows])
    score = np.zeros(len(rows))
    for train_rows, test_rows in GroupKFold(5).split(texts, positive, question):
        vectors = TfidfVectorizer(sublinear_tf=True, min_df=3, ngram_range=(1, 2), max_features=20_000)
        model = LogisticRegression(C=1.0, max_iter=500)
        model.fit(vectors.fit_transform(texts[train_rows]), positive[train_rows])
        score[test_rows] = model.predict_proba(vectors.transform(texts[test_rows]))[:, 1]
    longer = np.array([len(row["chatgpt_response"]) for row in rows])
    quarter = np.digitize(longer, np.quantile(longer, [0.25, 0.5, 0.75]))
    return Scored("HaluEval", positive, score, quarter, question)


def _cross_fitted(labeled: Sequence[Labeled]) -> np.ndarray:
    answers = [each.answer for each in labeled]
    rare = rarity(answers)
    # Without an encoder: on these answers it changes how far a score tells of the label by less than a hundredth.
    crossed = cross_fitted(labeled, signals(answers, rare, None), rare, facts=FACTS)
    return np.array([each.value for each in crossed.scores])


def _remembered(name: str, data: Path, scores: Callable[[], np.ndarray]) -> np.ndarray:
    """Scores that were made before from the same data by the same code; else made now, and kept in the cache."""
    code = sorted(Path(canonry.score.__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in (*code, Path(__file__), data))).hexdigest()
    file = cache_folder() / "bench" / f"{name}-{digest[:16]}.npy"
    if file.is_file():
        return np.asarray(np.load(file, allow_pickle=False))
    found = scores()
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, found, allow_pickle=False)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _numbered(values: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(values), return_inverse=True)[1]
