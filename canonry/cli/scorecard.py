"""`canonry scorecard`: where the page for people lies."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from canonry.cli._shared import said
from canonry.release import NotReleased, ReleaseError
from canonry.storage import Zones, open_zones


def scorecard(
    build: Annotated[bool, typer.Option("--build", help="Make it anew from what is published now.")] = False,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    assets: Annotated[Path, typer.Option(envvar="CANONRY_ASSETS", help="The folder of specs.")] = Path("assets"),
) -> None:
    """Say where the scorecard lies: cost, latency, quality, labels and indexes on one page for people.

    The loop keeps it current. It is one HTML file that needs no network, so it can be sent to anybody.

    Example: canonry scorecard --open
    """
    from canonry.catalog import CatalogError
    from canonry.publish.scorecard import current_page

    zones = open_zones()
    with said(ReleaseError, CatalogError):
        if build:
            _build(zones, assets)
        try:
            page = current_page(zones)
        except NotReleased:
            raise NotReleased(
                f"{zones.published.url}: no scorecard is published yet; run the loop, or `canonry scorecard --build`"
            ) from None
    typer.echo(page)
    if show:
        typer.launch(page)


def _build(zones: Zones, assets: Path) -> None:
    from canonry.catalog import load
    from canonry.index.store import judged_candidates
    from canonry.label.progress import label_progress
    from canonry.label.reviewers import reviewer_progress
    from canonry.labels import schemes_drawn
    from canonry.publish.scorecard import publish_scorecard
    from canonry.regressions import shown_texts

    now = dt.datetime.now(dt.UTC)
    names = schemes_drawn(zones.journal)
    catalog = load(assets)
    publish_scorecard(
        zones,
        labels=[asdict(row) for name in names for row in label_progress(zones, name)],
        candidates=judged_candidates(zones.lake),
        reviewers=[asdict(row) for name in names for row in reviewer_progress(zones, name)],
        texts=shown_texts(zones, catalog, now.date()),
        shows_texts=catalog.shows_texts,
        now=now,
    )
