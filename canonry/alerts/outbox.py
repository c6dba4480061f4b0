"""The outbox: who is told what of an incident, kept in the journal until a channel has taken it.

What is to be told follows from the incidents alone, so a process that dies between an incident and its message loses
nothing: the next one writes the same message under the same name. A message is told at least once, and carries its name
so that a receiver can tell a second time from a second message: a process may die between telling and writing it down.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from canonry.alerts.findings import slice_said
from canonry.alerts.incidents import Entry, Incident, every
from canonry.alerts.silences import silenced, silences
from canonry.storage import LeaseError, Storage, leased

QUEUED, DELIVERED, ATTEMPTS = "outbox/queued", "outbox/delivered", "outbox/attempts"

FIRST_WAIT, LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(hours=1)
"""Before the second attempt, and between later ones at most; each wait is twice the one before."""

_OVER = dt.timedelta(days=7)
"""An incident that is over for longer is not looked at again."""


@dataclass(frozen=True)
class Message:
    """What one channel is told."""

    message_id: str
    """The incident, its entry and the channel: the same whoever writes it."""
    channel: str
    """Environment variable that holds the channel's URL."""
    incident_id: str
    what: str
    severity: str
    title: str
    body: str
    queued_at: dt.datetime

    @property
    def path(self) -> str:
        """Where it lies under each folder of the outbox."""
        return f"{self.queued_at.date()}/{self.message_id}.json"


@dataclass(frozen=True)
class Delivery:
    """What became of messages."""

    delivered: tuple[str, ...]
    failed: Mapping[str, str]
    """Why, by message; each is tried again."""
    waiting: int
    """Not due yet, or of a channel whose variable is not set."""


Send = Callable[[str, Message], str | None]
"""Tells a URL a message: None where it was taken, else why not. Raises nothing for a channel that fails."""


def queue(journal: Storage, channels: Mapping[str, tuple[str, ...]], now: dt.datetime) -> list[Message]:
    """Write down what the channels of each monitor are to be told; returns what was not there before.

    Told is what opened, reopened and ended, not to a slice that is silenced: what is open when the silence ends is told
    then. That something ended is told to whom it was told that it began.
    """
    quiet = silences(journal)
    there = {path.rsplit("/", 1)[1]: path for path in (entry.path for entry in journal.list(QUEUED))}
    written = []
    for monitor, names in channels.items():
        for incident in every(journal, monitor) if names else ():
            turn = incident.turns[-1]
            if turn.what == "resolved" and now - turn.noted_at > _OVER:
                continue
            if silenced(quiet, monitor, incident.key, now):
                continue
            for channel in names:
                message = _message(incident, turn, channel, now)
                if f"{message.message_id}.json" in there or not _concerns(incident, channel, there):
                    continue
                data = json.dumps(asdict(message), default=str, indent=1, ensure_ascii=False).encode() + b"\n"
                if journal.put_if_absent(f"{QUEUED}/{message.path}", data):
                    written.append(message)
    return written


def pending(journal: Storage, now: dt.datetime, variables: Mapping[str, str]) -> Iterator[tuple[Message, bool]]:
    """Messages that no channel has taken yet, the oldest first, and whether each is to be tried now."""
    done = {entry.path.removeprefix(f"{DELIVERED}/") for entry in journal.list(DELIVERED)}
    for entry in journal.list(QUEUED):
        if entry.path.removeprefix(f"{QUEUED}/") not in done:
            message = _from_json(journal.read(entry.path))
            yield message, bool(variables.get(message.channel)) and _next_try(journal, message) <= now


def deliver(
    journal: Storage, send: Send, *, now: Callable[[], dt.datetime], variables: Mapping[str, str], holder: str
) -> Delivery:
    """Tell what is due, one process at a time; what fails is tried again later, for as long as it takes.

    Where another process is at it nothing is done here.
    """
    delivered, failed, waiting = [], {}, 0
    try:
        with leased(journal, "outbox/lease.json", holder, patience=0) as lease:
            for message, due in pending(journal, now(), variables):
                if not due:
                    waiting += 1
                    continue
                lease.check()
                error = send(variables[message.channel], message)
                if error is None:
                    told = json.dumps({"delivered_at": now().isoformat()}).encode()
                    journal.put_if_absent(f"{DELIVERED}/{message.path}", told)
                    delivered.append(message.message_id)
                    continue
                failed[message.message_id] = error
                number = len(list(journal.list(_attempts(message)))) + 1
                tried = json.dumps({"at": now().isoformat(), "error": error}).encode()
                journal.put_if_absent(f"{_attempts(message)}/{number:06d}.json", tried)
    except LeaseError:
        if not delivered and not failed:
            return Delivery((), {}, 0)
        raise
    return Delivery(tuple(delivered), failed, waiting)


def last_errors(journal: Storage) -> dict[str, str]:
    """Why the last attempt failed, by message, of those that were tried in vain so far."""
    done = {entry.path.removeprefix(f"{DELIVERED}/") for entry in journal.list(DELIVERED)}
    found: dict[str, str] = {}
    for entry in journal.list(ATTEMPTS):
        day, name, _ = entry.path.removeprefix(f"{ATTEMPTS}/").split("/")
        if f"{day}/{name}.json" not in done:
            found[name] = json.loads(journal.read(entry.path))["error"]
    return found


def _concerns(incident: Incident, channel: str, there: Mapping[str, str]) -> bool:
    """Whether a channel is told of the last turn: always that it opened; that it ended, if it knows that it began."""
    if incident.turns[-1].what != "resolved":
        return True
    began = incident.turns[-2]
    return f"{_message_id(incident, began, channel)}.json" in there


def _message_id(incident: Incident, entry: Entry, channel: str) -> str:
    return f"{incident.incident_id}.{incident.entries.index(entry) + 1}.{channel}"


def _message(incident: Incident, turn: Entry, channel: str, now: dt.datetime) -> Message:
    about, found, name = incident.about, incident.latest, _message_id(incident, turn, channel)
    cause = found.get("cause")
    simulated = " (simulated)" if found.get("simulated") else ""
    lines = [
        turn.said if turn.what == "resolved" else found["said"],
        *([f"Likely cause: {cause['said']}"] if cause else []),
        *([f"Since about {str(found['since'])[:16]} UTC"] if found.get("since") else []),
        f"Owner: {about['owner']}",
        f"What to do: {about['runbook']}",
        f"canonry incidents show {incident.incident_id}",
        f"Message {name}",
    ]
    severity = str(about["severity"])
    title = f"[{severity}] {incident.monitor} {turn.what}: {slice_said(incident.slice)}{simulated}"
    return Message(
        name, channel, incident.incident_id, turn.what, severity, _plain(title), "\n".join(map(_plain, lines)), now
    )


def _plain(text: str) -> str:
    """Text that no channel takes for markup: what cannot be seen is left out, and angle brackets are made harmless."""
    seen = "".join(each if each.isprintable() else " " for each in text)
    return seen.replace("<", "‹").replace(">", "›")


def _next_try(journal: Storage, message: Message) -> dt.datetime:
    tried = list(journal.list(_attempts(message)))
    if not tried:
        return message.queued_at
    last = dt.datetime.fromisoformat(json.loads(journal.read(tried[-1].path))["at"])
    return last + min(FIRST_WAIT * 2 ** min(len(tried) - 1, 20), LONGEST_WAIT)


def _attempts(message: Message) -> str:
    return f"{ATTEMPTS}/{message.path.removesuffix('.json')}"


def _from_json(data: bytes) -> Message:
    document: dict[str, Any] = json.loads(data)
    return Message(**{**document, "queued_at": dt.datetime.fromisoformat(document["queued_at"])})
