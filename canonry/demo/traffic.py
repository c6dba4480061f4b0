"""Fourteen days of products asking the assistant. Each call is really made and measured; its date is simulated.

A day is first written down whole in the exchange, as a product's own outbox, then sent to landing, then marked as
sent. So a run that was stopped sends the same bytes again, which doubles nothing, and a second run does nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from canonry.demo.assistant import Assistant
from canonry.demo.mishaps import as_sent
from canonry.demo.products import DAYS, PlannedCall, plan_day
from canonry.demo.questions import Question
from canonry.demo.telemetry import inference, retriever_step, thumb
from canonry.landing import LandingWriter
from canonry.progress import track
from canonry.redact import Redactor
from canonry.storage import Zones

SOURCE = "docs-assistant"
"""The source in assets/sources/ that the products push to."""

OUTBOX = "demo/outbox"
SENT = "demo/sent"

_BATCH = dt.timedelta(minutes=15)
"""How long a product's client gathers events before it sends them."""


@dataclass(frozen=True)
class Sent:
    """What a day's sending came to, over all kinds of event."""

    day: dt.date
    accepted: int
    unreadable: int


def pending_days(zones: Zones, days: Sequence[dt.date] = DAYS) -> list[dt.date]:
    """Days that were not sent yet."""
    return [day for day in days if not zones.exchange.head(f"{SENT}/{day}.json")]


def play(
    zones: Zones,
    assistant: Assistant,
    questions: Sequence[Question],
    days: Sequence[dt.date] = DAYS,
    redact: Redactor | None = None,
) -> list[Sent]:
    """Ask, log and send what these days' users ask; days that were sent before are left alone.

    `redact` is the source's redactor: the demo's events come in as every product's do.
    """
    missing = [day for day in pending_days(zones, days) if not zones.exchange.head(_outbox(day))]
    calls = [call for day in missing for call in plan_day(day, questions)]
    asked = track(calls, f"answering {len(calls):,} questions of {len(missing)} days")
    for day, of_day in groupby(asked, key=lambda call: call.asked_at.date()):
        assistant.forget()
        lines = sorted(_logged(of_day, assistant), key=lambda line: line["received_at"])
        zones.exchange.put(_outbox(day), "".join(json.dumps(line) + "\n" for line in lines).encode())
    return [_send(zones, day, redact) for day in pending_days(zones, days)]


def _logged(calls: Iterable[PlannedCall], assistant: Assistant) -> Iterator[dict[str, Any]]:
    """Lines of an outbox: kind, received_at, and the event, or the text that should have been one."""
    for call in calls:
        reply = assistant.ask(
            call.question.text,
            call.version,
            cached=call.product.caches,
            instruction=call.instruction,
            updated=call.updated,
        )
        done = call.asked_at + dt.timedelta(milliseconds=reply.latency_ms)
        logged = inference(call, reply, assistant.index.version, assistant.prompt.version)
        for sent in as_sent(call, logged):
            yield _line("inferences", done, sent)
        if step := retriever_step(call, reply):
            yield _line("steps", done, step)
        if given := thumb(call, reply):
            yield _line("feedback", *given)


def _line(kind: str, ready: dt.datetime, event: dict[str, Any] | str) -> dict[str, Any]:
    received_at = dt.datetime.min + ((ready - dt.datetime.min) // _BATCH + 1) * _BATCH
    return {"kind": kind, "received_at": received_at.isoformat(), "event": event}


def _send(zones: Zones, day: dt.date, redact: Redactor | None) -> Sent:
    lines = [json.loads(line) for line in zones.exchange.read(_outbox(day)).splitlines()]
    clock = _Clock()
    writer = LandingWriter(zones.landing, SOURCE, redact=redact, clock=clock)
    accepted = unreadable = 0
    for (received_at, kind), batch in groupby(sorted(lines, key=_batch), key=_batch):
        clock.now = dt.datetime.fromisoformat(received_at)
        events = [line["event"] for line in batch]
        receipt = writer.append(kind, [each.encode() if isinstance(each, str) else each for each in events])
        accepted += receipt.accepted
        unreadable += len(receipt.unreadable)
    sent = Sent(day, accepted, unreadable)
    zones.exchange.put(f"{SENT}/{day}.json", json.dumps({"accepted": accepted, "unreadable": unreadable}).encode())
    return sent


def _batch(line: dict[str, Any]) -> tuple[str, str]:
    return line["received_at"], line["kind"]


def _outbox(day: dt.date) -> str:
    return f"{OUTBOX}/{day}.jsonl"


class _Clock:
    """The simulated time at which the platform receives."""

    now = dt.datetime.min

    def __call__(self) -> dt.datetime:
        return self.now
