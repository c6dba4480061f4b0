"""The one writer of `landing/`: an acknowledged batch has reached the disk before the call returns."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from ulid import ULID

from canonry.events import EVENT_TYPES, SCHEMA_VERSION, EventType
from canonry.landing._segments import frame, raw_path, segment_path
from canonry.storage import Storage

MAX_EVENT_BYTES = 4 << 20
"""A larger event is kept, but as unreadable."""

MAX_SEGMENT_BYTES = 64 << 20
"""A segment that has grown this far is left, and another begun."""

_INLINE_RAW_BYTES = 64 << 10
_FUTURE = dt.timedelta(days=1)


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: counts, and for each unreadable event its position and reason."""

    accepted: int
    unreadable: tuple[tuple[int, str], ...]


def utc_now() -> dt.datetime:
    """Now, UTC, without a zone, as every time in the lake."""
    return naive_utc(dt.datetime.now(dt.UTC))


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """A time as the lake keeps it: UTC, without a zone. One without a zone is taken to be UTC."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment


def first_day() -> dt.date:
    """The platform's first day (CANONRY_FIRST_DAY); an event before it is rejected."""
    given = os.environ.get("CANONRY_FIRST_DAY", "2026-01-01")
    try:
        return dt.date.fromisoformat(given)
    except ValueError:
        raise ValueError(f"CANONRY_FIRST_DAY: {given!r} is not a day; write it as 2026-01-01") from None


class LandingWriter:
    """Takes batches of events from one source into landing. Not for use by several threads at once.

    Nothing a product sends is refused: what cannot be placed on a day is kept beside, with its reason.
    """

    def __init__(self, landing: Storage, source: str, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._landing = landing
        self._source = source
        self._clock = clock
        self._grown: dict[tuple[str, dt.date, dt.date | None], tuple[str, int]] = {}

    def append(self, kind: str, events: Iterable[Mapping[str, Any] | bytes]) -> Receipt:
        """Make a batch of events durable. Each is a mapping, or a line of JSON as received.

        Raises OSError or StorageError where the storage cannot take it; the batch is then not acknowledged,
        and sending it again doubles nothing.
        """
        event_type = EVENT_TYPES[kind]
        received_at, first = naive_utc(self._clock()), first_day()
        lines: dict[dt.date | None, list[bytes]] = defaultdict(list)
        unreadable: list[tuple[int, str]] = []
        accepted = 0
        for position, event in enumerate(events):
            try:
                day, line = self._envelope(event_type, event, received_at, first)
                lines[day].append(line)
                accepted += 1
            except _Unreadable as error:
                unreadable.append((position, error.reason))
                lines[None].append(self._keep(kind, error, received_at))
        for placed, batch in lines.items():
            self._write(kind, received_at.date(), placed, frame(batch))
        return Receipt(accepted, tuple(unreadable))

    def _envelope(
        self, event_type: EventType, event: Mapping[str, Any] | bytes, received_at: dt.datetime, first: dt.date
    ) -> tuple[dt.date, bytes]:
        document, raw = _document(event)
        identifier = document.get(event_type.id_field)
        if not isinstance(identifier, str) or not identifier:
            raise _Unreadable(f"{event_type.id_field}: missing or not text", raw)
        moment = _moment(event_type.time_field, document.get(event_type.time_field), raw)
        if moment.date() < first:
            message = f"{moment.isoformat()} lies before the platform's first day {first} (CANONRY_FIRST_DAY)"
            raise _Unreadable(f"{event_type.time_field}: {message}", raw)
        if moment > received_at + _FUTURE:
            message = f"{moment.isoformat()} lies more than a day after it was received"
            raise _Unreadable(f"{event_type.time_field}: {message}", raw)
        try:
            canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
            known = _known(event_type, document)
            known |= {event_type.time_field: moment, "received_at": received_at, "source": self._source}
            known |= {"schema_version": SCHEMA_VERSION}
            known |= {"digest": hashlib.blake2b(canonical, digest_size=16).hexdigest()}
            return moment.date(), orjson.dumps(known)
        except TypeError as error:
            raise _Unreadable(f"event: nested too deeply: {error}", raw) from None

    def _keep(self, kind: str, error: _Unreadable, received_at: dt.datetime) -> bytes:
        digest = hashlib.blake2b(error.raw, digest_size=16).hexdigest()
        record: dict[str, Any] = {
            "received_at": received_at,
            "source": self._source,
            "reason": error.reason,
            "digest": digest,
        }
        if len(error.raw) <= _INLINE_RAW_BYTES:
            record["raw"] = base64.b64encode(error.raw).decode()
        else:
            record["raw_object"] = raw_path(kind, received_at.date(), digest)
            self._landing.put_if_absent(record["raw_object"], error.raw)
        return orjson.dumps(record)

    def _write(self, kind: str, received: dt.date, day: dt.date | None, batch: bytes) -> None:
        if not self._landing.appends:
            self._landing.put_if_absent(segment_path(kind, received, day, str(ULID())), batch)
            return
        path, size = self._grown.pop((kind, received, day), ("", 0))
        if not path or size + len(batch) > MAX_SEGMENT_BYTES:
            path, size = segment_path(kind, received, day, str(ULID())), 0
        # A segment whose append failed is not kept here: nothing is ever written after a torn batch.
        self._landing.append(path, batch)
        self._grown[kind, received, day] = (path, size + len(batch))


class _Unreadable(Exception):
    def __init__(self, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw


def _document(event: Mapping[str, Any] | bytes) -> tuple[dict[str, Any], bytes]:
    if isinstance(event, bytes):
        raw = event
    else:
        try:
            raw = orjson.dumps(dict(event) if isinstance(event, Mapping) else event, default=str)
        except Exception as error:
            raise _Unreadable(f"event: cannot be written as JSON: {error}", _shown(event)) from None
    if len(raw) > MAX_EVENT_BYTES:
        raise _Unreadable(f"event: {len(raw):,} bytes, more than {MAX_EVENT_BYTES:,}", raw)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _Unreadable(f"event: is not JSON: {error}", raw) from None
    if not isinstance(document, dict):
        raise _Unreadable(f"event: expected an object, found {type(document).__name__}", raw)
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


def _moment(field: str, value: Any, raw: bytes) -> dt.datetime:
    if value is None:
        raise _Unreadable(f"{field}: missing", raw)
    try:
        return naive_utc(dt.datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        raise _Unreadable(f"{field}: {str(value)[:80]!r} is not an ISO 8601 time", raw) from None
