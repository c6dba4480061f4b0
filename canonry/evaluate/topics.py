"""Topics: clusters of what is asked or answered in two windows, and which of them grew."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from canonry.evaluate.windows import Windows, units_of
from canonry.stats.multiple import discoveries
from canonry.stats.shares import difference_interval
from canonry.stats.twosample import larger_shares

MOST_TOPICS = 24
LEAST_TOPICS = 4
DIRECTIONS = 32
WORDS = 5
EXAMPLES = 3
SAID_BY = 3
"""Askers who must use a word for it to be shown: fewer, and it might tell who they are."""
FALSE_DISCOVERIES = 0.05

_WORD = re.compile(r"[^\W\d_][\w-]{2,}")


def find_topics(windows: Windows, texts: Sequence[str], vectors: np.ndarray) -> list[dict[str, Any]]:
    """A row for each topic of the calls' texts (calls,) and vectors (calls, d), those that grew most first.

    k-means of both windows together, in the 32 directions in which texts differ most. An asker's share of a topic is
    that of their calls, and its growth is tested by sharing askers out anew. `found`: with the false discovery rate of
    a product's topics held at 5 %.
    """
    distinct, of_call, counts = np.unique(np.array(texts), return_inverse=True, return_counts=True)
    if len(distinct) < LEAST_TOPICS:
        return []
    of_text = np.unique(of_call, return_index=True)[1]
    label, distance = _clusters(vectors[of_text], counts)
    topics = int(label.max()) + 1
    units = units_of(windows, np.eye(topics)[label[of_call]])
    p_values = larger_shares(units.features, units.current, strata=units.weekend)
    found = discoveries(list(p_values), FALSE_DISCOVERIES)
    words = _words(windows, texts, label[of_call], topics)
    rows = []
    for topic in range(topics):
        now, before = units.features[units.current, topic], units.features[~units.current, topic]
        difference, low, high = difference_interval(now, before)
        rows.append(
            {
                "topic": topic,
                "words": ", ".join(words[topic]),
                "reference_share": float(before.mean()),
                "window_share": float(now.mean()),
                "difference": difference,
                "interval_low": low,
                "interval_high": high,
                "p_value": float(p_values[topic]),
                "found": bool(found[topic]),
                "examples": _examples(windows, of_call, label, distance, topic),
            }
        )
    return sorted(rows, key=lambda row: (row["p_value"], -row["difference"], row["topic"]))


def _clusters(vectors: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(texts,) topic of each text, and (texts,) how far it lies from the topic's middle.

    The same on every run by one thread.
    """
    from sklearn.cluster import KMeans

    centred = vectors.astype(np.float64) - np.average(vectors, axis=0, weights=counts)
    _, directions = np.linalg.eigh((centred * counts[:, None]).T @ centred)
    main = centred @ directions[:, -DIRECTIONS:]
    topics = int(np.clip(round(np.sqrt(len(vectors))), LEAST_TOPICS, MOST_TOPICS))
    fitted = KMeans(min(topics, len(vectors)), n_init=2, random_state=0).fit(main, sample_weight=counts)
    distance = fitted.transform(main).min(axis=1)
    return np.unique(fitted.labels_, return_inverse=True)[1], distance


def _words(windows: Windows, texts: Sequence[str], topic: np.ndarray, topics: int) -> list[list[str]]:
    """The words that tell each topic from the others: class-based tf-idf (Grootendorst 2022), of words of several."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    askers: dict[tuple[int, str], set[str]] = defaultdict(set)
    for call, text, place in zip(windows.calls, texts, topic.tolist(), strict=True):
        for word in set(map(str.casefold, _WORD.findall(text))) - ENGLISH_STOP_WORDS:
            askers[place, word].add(call.asker)
    used = np.zeros(topics)
    of_word: dict[str, int] = defaultdict(int)
    for (place, word), who in askers.items():
        used[place] += len(who)
        of_word[word] += len(who)
    weights: list[list[tuple[float, str]]] = [[] for _ in range(topics)]
    for (place, word), who in askers.items():
        if len(who) >= SAID_BY:
            weights[place].append((-len(who) / used[place] * np.log(1 + used.mean() / of_word[word]), word))
    return [[word for _, word in sorted(each)[:WORDS]] for each in weights]


def _examples(windows: Windows, of_call: np.ndarray, label: np.ndarray, distance: np.ndarray, topic: int) -> list[str]:
    """Calls of the window, of different texts: those that the reference has not first, nearest to the middle first."""
    inside = np.flatnonzero(windows.current & (label[of_call] == topic))
    known = set(of_call[~windows.current].tolist())

    def order(call: int) -> tuple[bool, float, str]:
        return of_call[call] in known, float(distance[of_call[call]]), windows.calls[call].inference_id

    found: dict[int, str] = {}
    for call in sorted(inside.tolist(), key=order):
        found.setdefault(int(of_call[call]), windows.calls[call].inference_id)
    return list(found.values())[:EXAMPLES]
