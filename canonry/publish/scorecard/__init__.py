"""The scorecard: one page with cost, latency, quality, labels and indexes, released like everything else.

`published/scorecard/platform/releases/VERSION/index.html` is the release; `published/scorecard/index.html` is a copy of
the one in production, at a path that stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from canonry import release
from canonry.publish.moves import Outcome, release_and_promote
from canonry.publish.scorecard.page import render
from canonry.publish.scorecard.parts import Row
from canonry.publish.scorecard.read import read_inputs, shows_none
from canonry.storage import NotFound, Zones

KIND, NAME, FILE = "scorecard", "platform", "index.html"
PATH = f"{KIND}/{FILE}"
"""Where the page in production always lies, under `published`."""

__all__ = ["FILE", "KIND", "NAME", "PATH", "current_page", "publish_scorecard"]


def publish_scorecard(
    zones: Zones,
    *,
    labels: Sequence[Row],
    candidates: Sequence[Row],
    reviewers: Sequence[Row] = (),
    texts: Mapping[str, Mapping[str, tuple[str | None, ...]]] | None = None,
    shows_texts: Callable[[str], bool] = shows_none,
    now: dt.datetime,
) -> Outcome:
    """Release the page made of what is published now, and show it at PATH.

    `labels`: rows of label progress; `candidates`: index candidates with their gate; `reviewers`: rows of their
    progress; `texts`: of flipped items that may be shown, by digest of the comparison and item; `shows_texts`: which
    products' calls may be shown as examples. Raises ReleaseError.
    """
    inputs = read_inputs(
        zones,
        labels=labels,
        candidates=candidates,
        reviewers=reviewers,
        texts=texts,
        shows_texts=shows_texts,
    )
    days = inputs.days
    outcome = release_and_promote(
        zones,
        KIND,
        NAME,
        {FILE: render(inputs)},
        metadata={
            "first_day": days[0].isoformat() if days else None,
            "last_day": days[1].isoformat() if days else None,
        },
        lineage={"tables": {name: move.version for name, move in inputs.tables.items() if move}},
        reason="recomputed",
        now=now,
    )
    current_page(zones)
    return outcome


def current_page(zones: Zones) -> str:
    """Path or URL of the page in production, its copy at PATH put right where it is another. Raises ReleaseError."""
    page = release.resolve(zones.published, KIND, NAME).read(FILE)
    try:
        shown = zones.published.read(PATH)
    except NotFound:
        shown = None
    if shown != page:
        zones.published.put(PATH, page)
    return f"{zones.published.url}/{PATH}"
