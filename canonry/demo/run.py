"""The demo, from an empty home to tables people read. What was done before is not done again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from canonry import catalog
from canonry.collect.news import days_to_collect
from canonry.demo import reviewers, summary, traffic
from canonry.demo.assistant import Assistant
from canonry.demo.dagster_program import execute_job, materialize
from canonry.demo.knowledge import Document, knowledge_base, write_knowledge
from canonry.demo.live_reviewers import forget_server, live_server, review_live
from canonry.demo.products import DAYS, LATEST, digest
from canonry.demo.questions import golden_queries, traffic_questions, write_golden
from canonry.landing import utc_now
from canonry.people import hash_key
from canonry.redact import Redactor
from canonry.storage import Zones, open_zones

SCHEME = "groundedness"

COLLECTED = (DAYS[0], DAYS[-1] + LATEST)
"""First and last day that the demo's events are on."""

_DONE = "demo/done.json"

console = Console(width=None if sys.stdout.isatty() else 110)


def run(home: str | Path | None = None, *, live: bool = False) -> None:
    """Run the demo under `home` (by default CANONRY_HOME) and print what came of it.

    Where `live`, reviewers label on a Label Studio server that is started for them; else they hand in files. Raises
    DagsterFailed, ServerFailed, LabelStudioError.
    """
    forget_server()
    zones = open_zones(home)
    os.environ["CANONRY_HOME"] = zones.home
    logs = zones.warehouse.parent / "logs"
    steps = _Steps(8)

    with steps("Read the documentation of the installed packages"):
        documents = knowledge_base()
        write_knowledge(zones.exchange, documents)
        write_golden(zones.exchange, golden_queries(documents))
        console.print(f"  {len(documents):,} documents")
    if _is_done(zones, documents, live):
        console.print("Nothing has changed since the demo last ran: no step is run again.\n")
        summary.show(zones, console)
        return
    with steps("Build the index behind its gate, publish prompts and models"):
        materialize("group:index or group:govern", None, logs / "demo-index.log")
    with steps("Ask the assistant what fourteen days of users ask"):
        sent = _play(zones, documents)
        console.print(f"  {sum(day.accepted for day in sent):,} events of {len(sent)} days sent")
    with steps("Collect the events"):
        execute_job("collect", COLLECTED, logs / "demo-collect.log")
    data = zones.warehouse.parent / "label-studio"
    with live_server(data) if live else nullcontext():
        with steps("Draw what people label, and hand out their tasks"):
            execute_job("draw_labels", COLLECTED, logs / "demo-draw.log")
        with steps("Let simulated reviewers label"):
            _review(zones, live)
        with steps("Run the loop: labels, a scorer trained from them, scores, charges, tables, estimates, releases"):
            execute_job("loop_and_train", COLLECTED, logs / "demo-loop.log")
    zones.exchange.put(_DONE, json.dumps({"made_from": _made_from(zones, documents, live)}).encode())
    with steps("Read what was published"):
        summary.show(zones, console)
    if live:
        program = f"{sys.executable} -m canonry.demo.label_studio_server {data}"
        console.print(f"  Label Studio is stopped; to look into it: {escape(program)}", soft_wrap=True)


def _review(zones: Zones, live: bool) -> None:
    if not live:
        console.print(f"  {reviewers.review(zones, SCHEME):,} annotations handed in")
        return
    made = review_live(zones, SCHEME, catalog.load(_assets()).schemes[SCHEME].version)
    console.print(f"  {made:,} annotations made in Label Studio")
    if not made:
        console.print("  All was answered before; `make clean` first to see it from the beginning")


def _play(zones: Zones, documents: list[Document]) -> list[traffic.Sent]:
    if not traffic.pending_days(zones):
        return []
    redact = Redactor.from_spec(catalog.load(_assets()).sources[traffic.SOURCE].redaction, hash_key())
    return traffic.play(zones, Assistant(zones.home), traffic_questions(documents), redact=redact)


def _is_done(zones: Zones, documents: list[Document], live: bool) -> bool:
    """Whether all was done for these documents and this catalog, and nothing has landed on the demo's days since."""
    if not zones.exchange.head(_DONE) or traffic.pending_days(zones):
        return False
    first, last = COLLECTED
    news = days_to_collect(zones, today=utc_now().date())
    same = json.loads(zones.exchange.read(_DONE)).get("made_from") == _made_from(zones, documents, live)
    return same and not any(first <= day <= last for day in news)


def _made_from(zones: Zones, documents: list[Document], live: bool) -> str:
    specs = [(path.name, path.read_bytes()) for path in sorted(_assets().rglob("*.yaml"))]
    answered = [(entry.path, entry.etag) for entry in zones.exchange.list(f"label-studio/{SCHEME}/in")]
    return digest(*documents, *specs, *answered, live)


def _assets() -> Path:
    return Path(os.environ.get("CANONRY_ASSETS", "assets"))


@dataclass
class _Steps:
    """Numbers the steps, and says how long each took."""

    total: int
    begun: int = 0

    @contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        self.begun += 1
        console.print(f"[bold]{self.begun}/{self.total} {title}[/bold]")
        started = time.monotonic()
        yield
        if (seconds := time.monotonic() - started) >= 1:
            console.print(f"  [dim]{seconds:.0f} s[/dim]")
