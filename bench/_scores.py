"""Scores of real answers by a plain scorer that never saw their source: what the benchmark of estimates is given."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold


@dataclass(frozen=True)
class Scored:
    """Answers with what people said of them and what a scorer says that was trained on other sources."""

    name: str
    positive: np.ndarray
    """(N,) whether people call it hallucinated."""
    score: np.ndarray
    """(N,) probability of that, out of fold."""
    stratum: np.ndarray
    """(N,) number of the answer's model; of HaluEval, which has one, of its quarter by length."""


def ragtruth(data: Path, *, quick: bool = False) -> Scored:
    """RAGTruth's answers, scored by words that are not in their source, lengths, task and model; folds by source.

    `quick` takes fewer folds and trees.
    """
    rows = _lines(data / "ragtruth" / "responses.jsonl.gz")
    sources = {row["source_id"]: row for row in _lines(data / "ragtruth" / "sources.jsonl.gz")}
    groups = _numbered([row["source_id"] for row in rows])
    models = _numbered([row["model"] for row in rows])
    positive = np.array([bool(row["labels"]) for row in rows])
    signals = np.column_stack([_signals(rows, sources), np.eye(models.max() + 1)[models]])
    score = _out_of_fold(
        positive,
        groups,
        lambda train, test: _trees(signals[train], positive[train], signals[test], quick=quick),
        folds=3 if quick else 10,
    )
    return Scored("RAGTruth", positive, score, models)


def halueval(data: Path) -> Scored:
    """HaluEval's answers to general questions, which come without a source: scored by their words alone."""
    rows = _lines(data / "halueval_general" / "general_data.jsonl.gz")
    texts = np.array([f"{row['user_query']}\n{row['chatgpt_response']}" for row in rows], dtype=object)
    positive = np.array([row["hallucination"] == "yes" for row in rows])
    groups = _numbered([row["user_query"] for row in rows])
    score = _out_of_fold(positive, groups, lambda train, test: _words(texts[train], positive[train], texts[test]), 5)
    longer = np.array([len(row["chatgpt_response"]) for row in rows])
    return Scored("HaluEval", positive, score, np.digitize(longer, np.quantile(longer, [0.25, 0.5, 0.75])))


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _numbered(values: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(values), return_inverse=True)[1]


def _out_of_fold(
    positive: np.ndarray, groups: np.ndarray, fit_predict: Callable[[np.ndarray, np.ndarray], np.ndarray], folds: int
) -> np.ndarray:
    score = np.zeros(len(positive))
    for train, test in GroupKFold(folds).split(positive, positive, groups):
        score[test] = fit_predict(train, test)
    return score


def _trees(signals: np.ndarray, positive: np.ndarray, wanted: np.ndarray, *, quick: bool) -> np.ndarray:
    models = [
        ExtraTreesClassifier(60 if quick else 300, min_samples_leaf=3, max_features=0.5, random_state=0),
        HistGradientBoostingClassifier(
            max_iter=60 if quick else 150, learning_rate=0.05, max_leaf_nodes=8, l2_regularization=5, random_state=0
        ),
    ]
    return np.mean([model.fit(signals, positive).predict_proba(wanted)[:, 1] for model in models], axis=0)


def _words(texts: np.ndarray, positive: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    vectors = TfidfVectorizer(sublinear_tf=True, min_df=3, ngram_range=(1, 2), max_features=20_000)
    model = LogisticRegression(C=1.0, max_iter=500).fit(vectors.fit_transform(texts), positive)
    return model.predict_proba(vectors.transform(wanted))[:, 1]


def _signals(rows: list[dict[str, Any]], sources: dict[str, dict[str, Any]]) -> np.ndarray:
    """(N, F) by answer: what its sentences say that the source does not, in words, word pairs, numbers and names."""
    texts = {name: _flat(source["source_info"]) for name, source in sources.items()}
    known = {name: _tokens(text) for name, text in texts.items()}
    documents = Counter(word for words in known.values() for word in set(words))
    rarity = {word: float(np.log((len(known) + 1) / count)) for word, count in documents.items()}
    rarest = float(np.log(len(known) + 1))
    return np.array([_of_answer(row, known[row["source_id"]], rarity, rarest) for row in rows])


def _of_answer(row: dict[str, Any], source: list[str], rarity: dict[str, float], rarest: float) -> list[float]:
    words, pairs = set(source), set(pairwise(source))
    found = []
    for sentence in _sentences(row["response"]):
        said = _tokens(sentence)
        new = [word for word in said if word not in words]
        follow = list(pairwise(said))
        weight = sum(rarity.get(word, rarest) for word in said) + 1e-6
        found.append(
            [
                len(new) / max(len(said), 1),
                sum(rarity.get(word, rarest) for word in new) / weight,
                sum(pair not in pairs for pair in follow) / max(len(follow), 1),
                sum(word[0].isdigit() for word in new),
                sum(name.lower() not in words for name in re.findall(r"\b[A-Z][a-z]+", sentence[1:])),
            ]
        )
    each = np.array(found)
    spread = [each.mean(0), each.max(0), each.min(0), np.sort(each, axis=0)[-2:].mean(0), each.std(0), each.sum(0)]
    tasks = [row["task_type"] == task for task in ("QA", "Summary")]
    length = len(_tokens(row["response"]))
    return [*np.concatenate(spread), len(each), length, length / max(len(words), 1), len(words), *tasks]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ". ".join(f"{name}: {_flat(each)}" for name, each in value.items())
    return ". ".join(_flat(each) for each in value) if isinstance(value, list) else str(value)


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if len(part.strip()) > 2] or [text]


def _tokens(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+(?:[.,:]\d+)*", text.lower())
