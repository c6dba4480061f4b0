"""What becomes of an event on its way into landing: parsed, placed on its day, digested, written as one line."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import orjson

from canonry.events import EVENT_TYPES, SCHEMA_VERSION, EventType

MAX_EVENT_BYTES = 4 << 20
"""A larger event is kept, but as unreadable."""

_FUTURE = dt.timedelta(days=1)


class Prepared(NamedTuple):
    """One event as it will lie in landing. Where it can be placed on no day, `reason` says why."""

    received: dt.date
    day: dt.date | None
    line: bytes
    digest: str
    identifier: str | None
    reason: str | None
    raw: bytes | None
    """Bytes of an unreadable event that are too many for its line."""


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """A time as the lake keeps it: UTC, without a zone. One without a zone is taken to be UTC."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment


class Unreadable(Exception):
    """An event that can be placed on no day: why, and its bytes as received."""

    def __init__(self, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw


class Envelope:
    """What landing adds to the events of one batch, worked out once: when and from whom they came, and their bounds."""

    __slots__ = (
        "_event_type",
        "_first",
        "_id_field",
        "_latest",
        "_line",
        "_names",
        "_other_times",
        "_time",
        "received",
    )

    def __init__(self, event_type: EventType, source: str, received_at: dt.datetime, first: dt.date) -> None:
        self._event_type = event_type
        self._id_field, self._time = event_type.id_field, event_type.time_field
        self._names, self._other_times = _shape(event_type.name)
        self._first, self._latest = dt.datetime.combine(first, dt.time()), received_at + _FUTURE
        self.received = received_at.date()
        line = orjson.dumps({"received_at": received_at, "source": source, "schema_version": SCHEMA_VERSION})
        # The digest lies last: collect finds a line by it.
        self._line = b"," + line[1:-1] + b',"digest":"'

    def around(self, document: dict[str, Any], raw: bytes | None) -> Prepared:
        """A document as one line of landing. Raises Unreadable."""
        identifier = document.get(self._id_field)
        if not isinstance(identifier, str) or not identifier:
            raise Unreadable(f"{self._id_field}: missing or not text", raw_of(document, raw))
        time: Any = document.get(self._time)
        try:
            # Most times end in Z, and need no zone to be told.
            in_utc = time[-1] == "Z" and time[-2].isdecimal()
            moment = naive_utc(dt.datetime.fromisoformat(time[:-1] if in_utc else time))
        except (AttributeError, TypeError, ValueError, OverflowError, LookupError):
            wrong = "missing" if time is None else f"{str(time)[:80]!r} is not an ISO 8601 time"
            raise Unreadable(f"{self._time}: {wrong}", raw_of(document, raw)) from None
        if not self._first <= moment <= self._latest:
            wrong = f"lies before the platform's first day {self._first.date()} (CANONRY_FIRST_DAY)"
            if moment > self._latest:
                wrong = "lies more than a day after it was received"
            raise Unreadable(f"{self._time}: {moment.isoformat()} {wrong}", raw_of(document, raw))
        try:
            canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
            line = self._as_sent(document, canonical, time, moment)
            if line is None:
                line = orjson.dumps(_known(self._event_type, document) | {self._time: moment})
        except TypeError as error:
            raise Unreadable(f"event: nested too deeply: {error}", raw_of(document, raw)) from None
        if len(canonical) > MAX_EVENT_BYTES:
            raise Unreadable(_too_large(len(canonical)), raw_of(document, raw))
        digest = hashlib.blake2b(canonical, digest_size=16).hexdigest()
        line = b'%b%b%b"}' % (line[:-1], self._line, digest.encode())
        return Prepared(self.received, moment.date(), line, digest, identifier, None, None)

    def _as_sent(self, document: dict[str, Any], canonical: bytes, time: Any, moment: dt.datetime) -> bytes | None:
        """The canonical bytes with the event's time in UTC, where nothing else is to be changed; else None.

        This saves writing most events a second time.
        """
        if not self._names.issuperset(document):
            return None
        for name in self._other_times:
            if document.get(name) is not None:
                return None
        ours = moment.isoformat()
        if time == ours:
            return canonical
        sent = b'"%b":%b' % (self._time.encode(), orjson.dumps(time))
        # Sorting puts `attributes` first, and it may hold the same words.
        if canonical.count(sent) != 1:
            return None
        return canonical.replace(sent, b'"%b":"%b"' % (self._time.encode(), ours.encode()))


@cache
def _shape(kind: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names a product may send, and those of them that are times, the one that is the event's day apart."""
    event_type = EVENT_TYPES[kind]
    times = (field.name for field in event_type.all_fields if field.type == "time")
    return event_type.field_names, tuple(name for name in times if name != event_type.time_field)


def raw_of(document: dict[str, Any], raw: bytes | None) -> bytes:
    """An event's bytes as received, or as near to them as can be."""
    if raw is not None:
        return raw
    try:
        return orjson.dumps(document)
    except TypeError:
        return _deep(document)


def _deep(document: dict[str, Any]) -> bytes:
    """JSON of what is nested more deeply than orjson writes."""
    parts: list[bytes] = []
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, bytes):
            parts.append(value)
        elif isinstance(value, dict) and value:
            pieces: list[Any] = []
            for name, each in value.items():
                pieces += [b"," if pieces else b"{", orjson.dumps(name) + b":", each]
            waiting += reversed([*pieces, b"}"])
        elif isinstance(value, list) and value:
            pieces = []
            for each in value:
                pieces += [b"," if pieces else b"[", each]
            waiting += reversed([*pieces, b"]"])
        else:
            parts.append(orjson.dumps(value))
    return b"".join(parts)


def _too_large(size: int) -> str:
    return f"event: {size:,} bytes, more than {MAX_EVENT_BYTES:,}"


def parse_event(event: Mapping[str, Any] | bytes) -> tuple[dict[str, Any], bytes]:
    """The event as a document of the writer's own, and its bytes. Raises Unreadable."""
    if isinstance(event, bytes):
        raw = event
    else:
        try:
            raw = orjson.dumps(dict(event) if isinstance(event, Mapping) else event, default=str)
        except Exception as error:
            raise Unreadable(f"event: cannot be written as JSON: {error}", _shown(event)) from None
    if len(raw) > MAX_EVENT_BYTES:
        raise Unreadable(_too_large(len(raw)), raw)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"event: is not JSON: {error}", raw) from None
    if not isinstance(document, dict):
        raise Unreadable(f"event: expected an object, found {type(document).__name__}", raw)
    return document, raw


def _shown(event: object) -> bytes:
    """What can be kept of an event that cannot be written: code from outside (its `__repr__`) may fail, too."""
    try:
        return repr(event).encode(errors="backslashreplace")
    except Exception as error:
        return f"<{type(event).__name__}: {type(error).__name__}>".encode()


def _known(event_type: EventType, document: dict[str, Any]) -> dict[str, Any]:
    """The event's own fields, times in UTC; what else was sent lies in `attributes`, nothing of it lost."""
    known = {name: value for name, value in document.items() if name in event_type.field_names}
    for field in event_type.fields:
        if field.type == "time" and isinstance(value := known.get(field.name), str):
            with suppress(ValueError, OverflowError):
                known[field.name] = naive_utc(dt.datetime.fromisoformat(value))
    extra = {name: document[name] for name in sorted(document.keys() - event_type.field_names)}
    if extra:
        own = known.get("attributes")
        if own is None:
            known["attributes"] = extra
        elif isinstance(own, dict) and not own.keys() & extra.keys():
            known["attributes"] = {**own, **extra}
        else:
            known["attributes"] = {**extra, "attributes": own}
    return known
