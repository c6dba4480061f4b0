"""The one writer of `landing/`: an acknowledged batch has reached the disk before the call returns."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from ulid import ULID

from canonry.events import EVENT_TYPES, EventType
from canonry.landing._prepared import Envelope, Prepared, Unreadable, naive_utc, parse_event, raw_of
from canonry.landing._segments import frame, raw_path, segment_path
from canonry.people import hash_key
from canonry.redact import Redactor, TooDeep
from canonry.storage import Storage

MAX_SEGMENT_BYTES = 64 << 20
"""A segment that has grown this far is left, and another begun."""

_INLINE_RAW_BYTES = 64 << 10


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: counts, and for each unreadable event its position and reason."""

    accepted: int
    unreadable: tuple[tuple[int, str], ...]


def utc_now() -> dt.datetime:
    """Now, UTC, without a zone, as every time in the lake."""
    return naive_utc(dt.datetime.now(dt.UTC))


def first_day() -> dt.date:
    """The platform's first day (CANONRY_FIRST_DAY); an event before it is rejected."""
    given = os.environ.get("CANONRY_FIRST_DAY", "2026-01-01")
    try:
        return dt.date.fromisoformat(given)
    except ValueError:
        raise ValueError(f"CANONRY_FIRST_DAY: {given!r} is not a day; write it as 2026-01-01") from None


class LandingWriter:
    """Takes batches of events from one source into landing. Not for use by several threads at once.

    Nothing a product sends is refused: what cannot be placed on a day is kept beside, with its reason. All of it goes
    through `redact`, the source's redactor; without one, text is kept as it came, and users' ids are hashed just so.
    """

    def __init__(
        self,
        landing: Storage,
        source: str,
        *,
        redact: Redactor | None = None,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._landing = landing
        self._source = source
        self._redact = redact or Redactor.from_spec(None, hash_key())
        self._clock = clock
        self._grown: dict[tuple[str, dt.date, dt.date | None], tuple[str, int]] = {}

    def append(self, kind: str, events: Iterable[Mapping[str, Any] | bytes]) -> Receipt:
        """Make a batch of events durable. Each is a mapping, or a line of JSON as received.

        Raises OSError or StorageError where the storage cannot take it; the batch is then not acknowledged,
        and sending it again doubles nothing.
        """
        return self.write(kind, self.prepare(kind, events))

    def prepare(
        self,
        kind: str,
        events: Iterable[Mapping[str, Any] | bytes],
        *,
        check: Callable[[dict[str, Any]], str | None] | None = None,
        parsed: bool = False,
    ) -> list[Prepared]:
        """Events as `write` will put them into landing; nothing is written yet. Any thread may prepare.

        `check` may complete a document, and gives the reason why it is to be kept as unreadable. Documents that are
        `parsed` come from orjson, belong to the writer, and are not copied first.
        """
        event_type = EVENT_TYPES[kind]
        received_at = naive_utc(self._clock())
        envelope = Envelope(event_type, self._source, received_at, first_day())
        redact = self._redact
        prepared = []
        for event in events:
            try:
                if parsed and type(event) is dict:
                    document, raw = event, None
                else:
                    document, raw = parse_event(event)
                if check and (reason := check(document)):
                    raise Unreadable(reason, raw_of(document, raw))
                document = redact(event_type, document)
                prepared.append(envelope.around(document, raw))
            except (TooDeep, RecursionError) as error:
                reason = f"event: nested too deeply: {error}"
                prepared.append(self._kept(event_type, Unreadable(reason, raw_of(document, raw)), received_at))
            except Unreadable as error:
                prepared.append(self._kept(event_type, error, received_at))
        return prepared

    def keep(self, kind: str, reason: str, raw: bytes) -> Prepared:
        """Bytes of a kind that are no event, and why, as `write` will put them beside the events."""
        return self._kept(EVENT_TYPES[kind], Unreadable(reason, raw), naive_utc(self._clock()))

    def write(self, kind: str, prepared: Iterable[Prepared]) -> Receipt:
        """Make prepared events durable, with one append and fsync a day. Raises as `append` does."""
        batches: dict[tuple[dt.date, dt.date | None], list[bytes]] = defaultdict(list)
        unreadable: list[tuple[int, str]] = []
        position = -1
        for position, (received, day, line, digest, _, reason, raw) in enumerate(prepared):
            batches[received, day].append(line)
            if reason is not None:
                unreadable.append((position, reason))
            if raw is not None:
                self._landing.put_if_absent(raw_path(kind, received, digest), raw)
        for (received, day), lines in batches.items():
            self._write(kind, received, day, frame(lines))
        return Receipt(position + 1 - len(unreadable), tuple(unreadable))

    def _kept(self, event_type: EventType, error: Unreadable, received_at: dt.datetime) -> Prepared:
        received, reason = received_at.date(), self._redact.reason(error.reason)
        record: dict[str, Any] = {"received_at": received_at, "source": self._source, "reason": reason}
        raw = self._redact.raw(event_type, error.raw)
        if raw is None:
            digest = record["digest"] = self._redact.digest(error.raw)
            return Prepared(received, None, orjson.dumps(record), digest, None, reason, None)
        digest = record["digest"] = hashlib.blake2b(raw, digest_size=16).hexdigest()
        if len(raw) > _INLINE_RAW_BYTES:
            record["raw_object"] = raw_path(event_type.name, received, digest)
            return Prepared(received, None, orjson.dumps(record), digest, None, reason, raw)
        record["raw"] = base64.b64encode(raw).decode()
        return Prepared(received, None, orjson.dumps(record), digest, None, reason, None)

    def _write(self, kind: str, received: dt.date, day: dt.date | None, batch: bytes) -> None:
        if not self._landing.appends:
            self._landing.put_if_absent(segment_path(kind, received, day, str(ULID())), batch)
            return
        # Nothing is ever written after a torn batch, and it may be this file alone that cannot grow: after a failure
        # another segment is begun, unless this one is empty, so that a disk that stays full does not fill with names.
        path, size = self._grown.pop((kind, received, day), ("", 0))
        if not path or size + len(batch) > MAX_SEGMENT_BYTES:
            path, size = segment_path(kind, received, day, str(ULID())), 0
        try:
            self._landing.append(path, batch)
        except OSError:
            if size == 0 and self._length(path) == 0:
                self._grown[kind, received, day] = (path, 0)
            raise
        self._grown[kind, received, day] = (path, size + len(batch))

    def _length(self, path: str) -> int | None:
        """Bytes of a segment, 0 where there is none yet; None where that cannot be told."""
        try:
            entry = self._landing.head(path)
        except OSError:
            return None
        return entry.size if entry else 0
