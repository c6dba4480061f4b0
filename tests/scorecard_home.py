"""A home with what a scorecard is made of: tables, releases, rejected events; and a reader of the page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pyarrow as pa

from canonry import lake
from canonry.publish import Outcome, publish_tables, release_and_promote
from canonry.publish.scorecard import PATH, publish_scorecard
from canonry.storage import Zones
from tests.scorecard_rows import AGREEMENT, COSTS, DAYS, FEEDBACK, HOURS, LABELS, NEW, OLD, QUALITY, REVIEWERS, Row

NOW = dt.datetime(2026, 11, 20, 8, 30, tzinfo=dt.UTC)


def publish_marts(
    zones: Zones,
    costs: Sequence[Row] = COSTS,
    quality: Sequence[Row] = QUALITY,
    said: Sequence[Row] = FEEDBACK,
) -> None:
    """Publish the tables."""
    rows = {"agreement_daily": AGREEMENT, "cost_daily": costs, "feedback_daily": said}
    rows |= {"latency_hourly": HOURS, "quality_daily": quality}
    tables = {name: pa.Table.from_pylist(list(each)) for name, each in rows.items()}
    publish_tables(zones, tables, now=NOW, lineage={})


def publish_rest(zones: Zones) -> None:
    """Publish models, an index and a gold set, and put rejected events and simulated calls into the lake."""
    models = {"answerer": {"versions": [OLD, NEW]}}
    _release(zones, "models", "all", {"models.json": json.dumps(models).encode()}, {})
    gate = {
        "passed": True,
        "reasons": ["recall@10 is 0.995"],
        "flags": [],
        "recall_at_10": {"value": 0.995, "low": 0.991, "queries": 620, "exact": False},
        "hit_rate_at_10": {
            "candidate": 0.9833,
            "queries": 120,
            "difference": {"value": 0.0083, "low": -0.012, "high": 0.03},
        },
        "released_version": "0123456789abcdef",
    }
    _release(zones, "indexes", "manual", {"a": b"b"}, {"gate": gate, "vectors": 1_445})
    gold = {"scheme": "grounded", "scheme_version": 1, "items": 60, "values": {"grounded=yes": 45, "grounded=no": 15}}
    _release(zones, "gold", "grounded", {"a": b"b"}, {**gold, "unresolved": 2, "simulated": 60})
    reasons = ["started_at: 'Jane Doe, 5 Elm St' is not an ISO 8601 time"] * 3 + ["product: missing"]
    rejected = [{"kind": "inferences", "source": "app", "reason": reason, "raw": b"secret"} for reason in reasons]
    lake.write(zones.lake, "rejected", DAYS[2], _table("rejected", rejected), {})
    said = json.dumps({"simulated": ["product", "started_at"]})
    calls = [{"inference_id": "1", "product": "docs", "attributes": said}, {"inference_id": "2", "product": "desk"}]
    lake.write(zones.lake, "inferences", DAYS[-1], _table("inferences", calls), {})


def _release(zones: Zones, kind: str, name: str, files: dict[str, bytes], metadata: Row) -> None:
    release_and_promote(zones, kind, name, files, metadata=metadata, lineage={}, reason="test", now=NOW)


def _table(kind: str, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, lake.SCHEMAS[kind])


@dataclass
class Page(HTMLParser):
    """A page's elements, its text, and its tables by caption: rows of texts."""

    html: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._caption, self._in_caption, self._cell = "", False, False
        self.feed(self.html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "caption":
            self._caption, self._in_caption = "", True
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in ("th", "td"):
            self.tables[self._caption][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        """Note where a caption or cell ends."""
        self._in_caption = self._in_caption and tag != "caption"
        self._cell = self._cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data
        if self._in_caption:
            self._caption += data
        elif self._cell:
            self.tables[self._caption][-1][-1] += data


def publish(zones: Zones, candidates: list[Row] | None = None) -> Outcome:
    """Publish a scorecard of what the zones hold."""
    return publish_scorecard(zones, labels=LABELS, candidates=candidates or [], reviewers=REVIEWERS, now=NOW)


def page(zones: Zones) -> Page:
    """The scorecard of what the zones hold."""
    publish(zones)
    return Page(zones.published.read(PATH).decode())
