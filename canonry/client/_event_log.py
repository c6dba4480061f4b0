"""The log of a product's events: what it says is queued at once, and sent behind its back."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from canonry.client import _ends
from canonry.client._call import Call
from canonry.client._delivery import Delivery, Stats
from canonry.client._event import feedback_event, in_context, inference_event, line_of, remember
from canonry.client._identifier import id_of
from canonry.client._logger import note
from canonry.client._send import Destination, LandingDestination, ServiceDestination
from canonry.client._spool import MEMORY_BYTES, Spool, spool_folder

SPOOL_BYTES = 64 << 20
BATCH = 200
INTERVAL_S = 0.5


class EventLog:
    """Takes events and sends them in the background, at least once, with stable ids.

    To the service at `url` with `api_key`, or straight into the landing zone under `home`, as `source`. Events are
    written to a spool on disk before they are sent, at most `spool_bytes` of them, the oldest dropped first; `spool` is
    another folder for it, or False to keep as much in memory. They go in batches of at most `batch`, at the latest
    `interval_s` seconds after they were logged. `fields` are those of every inference that does not say otherwise.
    Raises ValueError where it is not said where to send.

    Logging neither waits nor raises: what goes wrong is counted in `stats()`, and said once through `logging`. On the
    way to the spool at most 16 MB wait in memory, and at most 8 MB stay there while its folder cannot be written. The
    end of a process waits up to three seconds for all its logs; a fork up to one, for what is queued to be on disk. A
    log that nobody has any more sends what it has, and ends.

    >>> import tempfile
    >>> with EventLog(home=tempfile.mkdtemp(), source="docs-assistant", fields={"team": "docs"}) as log:
    ...     inference_id = log.log_inference(product="docs-site", output_tokens=38)
    ...     feedback_id = log.give_feedback(inference_id, signal="thumb", value=1)
    ...     log.flush(), log.stats().sent
    (True, 2)
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        home: str | Path | None = None,
        source: str | None = None,
        spool: str | Path | bool = True,
        spool_bytes: int = SPOOL_BYTES,
        batch: int = BATCH,
        interval_s: float = INTERVAL_S,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        if spool_bytes < 1 or batch < 1 or not interval_s > 0:
            raise ValueError(f"{spool_bytes=}, {batch=}, {interval_s=}: each must be more than 0")
        self._destination = _destination(url, api_key, home, source)
        self._spool = spool
        self._spool_bytes = spool_bytes
        self._batch = batch
        self._interval_s = interval_s
        self._fields = dict(fields or {})
        self._unwritable = 0
        self._closed = False
        self._delivery: Delivery | None
        self._make_delivery()
        _ALL[id(self)] = self

    @classmethod
    def disabled(cls) -> EventLog:
        """A log that sends nothing and counts every event as dropped: for a product's own tests.

        >>> log = EventLog.disabled()
        >>> inference_id = log.log_inference(product="docs-site")
        >>> log.stats().dropped
        1
        """
        log = cls(home=os.sep, source="disabled")
        log._delivery = None
        return log

    def log_inference(self, /, **fields: Any) -> str:
        """Log a call; gives its `inference_id`. See `canonry.client.log_inference`.

        >>> EventLog.disabled().log_inference(inference_id="a-1")
        'a-1'
        """
        inference_id = id_of(fields.get("inference_id"))
        try:
            remember(inference_id)
            self._put("inferences", inference_event(self._fields, in_context({**fields, "inference_id": inference_id})))
        except Exception as error:
            self._count_unwritable(error)
        return inference_id

    def log_begun(self, fields: Mapping[str, Any]) -> None:
        """Log a call that was begun in another context; `fields` hold its id, and what is from that context."""
        try:
            self._put("inferences", inference_event(self._fields, fields))
        except Exception as error:
            self._count_unwritable(error)

    def give_feedback(
        self,
        /,
        inference_id: str | None = None,
        *,
        trace_id: str | None = None,
        signal: str,
        value: float | None = None,
        comment: str | None = None,
        correction: str | None = None,
        origin: str = "user",
        **fields: Any,
    ) -> str:
        """Log what somebody thought of a call; gives its `feedback_id`. See `canonry.client.give_feedback`.

        >>> len(EventLog.disabled().give_feedback("a-1", signal="thumb", value=1))
        26
        """
        feedback_id = id_of(fields.get("feedback_id"))
        said: dict[str, Any] = {"inference_id": inference_id, "trace_id": trace_id, "signal": signal, "value": value}
        said |= {"comment": comment, "correction": correction, "origin": origin}
        try:
            if inference_id is None and trace_id is None:
                message = "feedback %s names neither inference_id nor trace_id: it is about no call"
                note(logging.WARNING, message, feedback_id)
            own = {name: self._fields[name] for name in ("team",) if name in self._fields}
            self._put("feedback", feedback_event({**own, **fields, **said, "feedback_id": feedback_id}))
        except Exception as error:
            self._count_unwritable(error)
        return feedback_id

    def inference(self, /, **fields: Any) -> Call:
        """Times a call and logs it. See `canonry.client.inference`.

        >>> with EventLog.disabled().inference(request_model="gpt-5") as call:
        ...     call.output_tokens = 3
        """
        return Call(lambda: self, fields)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything logged before is sent, at most `timeout` seconds; False where something still waits.

        While the service is away it is tried once, at once.

        >>> EventLog.disabled().flush()
        True
        """
        return self._delivery.flush(timeout) if self._delivery else True

    async def aflush(self, timeout: float = 5.0) -> bool:
        """`flush`, without holding up the event loop.

        >>> import asyncio
        >>> asyncio.run(EventLog.disabled().aflush())
        True
        """
        import asyncio

        return await asyncio.to_thread(self.flush, timeout)

    def stats(self) -> Stats:
        """What became of the events of this process.

        >>> EventLog.disabled().stats()
        Stats(queued=0, spooled=0, sent=0, rejected=0, dropped=0)
        """
        if self._delivery is None:
            return Stats(dropped=self._unwritable)
        found = self._delivery.stats()
        return Stats(found.queued, found.spooled, found.sent, found.rejected, found.dropped + self._unwritable)

    def close(self, timeout: float = 5.0) -> bool:
        """Flush, then stop. What is not sent stays in the spool for the next process. Later events are dropped.

        >>> EventLog.disabled().close()
        True
        """
        self._closed = True
        return self._delivery.close(timeout) if self._delivery else True

    async def aclose(self, timeout: float = 5.0) -> bool:
        """`close`, without holding up the event loop.

        >>> import asyncio
        >>> asyncio.run(EventLog.disabled().aclose())
        True
        """
        import asyncio

        return await asyncio.to_thread(self.close, timeout)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> EventLog:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        if self._delivery is None:
            self._unwritable += 1
        else:
            self._delivery.put(kind, line_of(event))

    def _count_unwritable(self, error: Exception) -> None:
        self._unwritable += 1
        if self._unwritable == 1:
            message = "an event could not be written as JSON and is dropped: %s"
            note(logging.WARNING, message, type(error).__name__)

    def _make_delivery(self) -> None:
        # It knows nothing of this log, so that it does not keep alive what nobody has any more.
        open_spool = functools.partial(_open_spool, self._destination.identity, self._spool, self._spool_bytes)
        self._delivery = Delivery(self._destination, open_spool, self._batch, self._interval_s)
        self._gone = weakref.finalize(self, self._delivery.stop)
        self._gone.atexit = False  # type: ignore[misc]

    def _after_fork(self) -> None:
        self._gone.detach()
        self._destination.renew()
        self._unwritable = 0
        if self._delivery is not None:
            self._make_delivery()
            if self._closed:
                self._delivery.stop()


_ALL: weakref.WeakValueDictionary[int, EventLog] = weakref.WeakValueDictionary()


def _open_spool(identity: str, spool: str | Path | bool, limit: int) -> Spool:
    if spool is False:
        return Spool(None, limit, limit)
    folder = None
    try:
        folder = spool_folder(identity, None if spool is True else spool)
    except Exception as error:
        note(logging.WARNING, "events are kept in memory until they are sent: %s", error)
    return Spool(folder, limit, MEMORY_BYTES)


def _destination(url: str | None, api_key: str | None, home: str | Path | None, source: str | None) -> Destination:
    if url:
        return ServiceDestination(url, api_key)
    if home and source:
        place = str(home) if "://" in str(home) else str(Path(home).absolute())
        return LandingDestination(place, source)
    raise ValueError(
        "nothing says where events go: set CANONRY_URL and CANONRY_API_KEY (the service), "
        "or CANONRY_HOME and CANONRY_SOURCE (a landing folder on this machine)"
    )


def _before_fork() -> None:
    with contextlib.suppress(Exception):
        _ends.before_fork()


def _after_fork() -> None:
    _ends.after_fork()
    # Not by iterating: another thread of the parent may have been adding one.
    for reference in _ALL.valuerefs():
        if (log := reference()) is not None:
            log._after_fork()


def _leave() -> None:
    with contextlib.suppress(Exception):
        _ends.leave()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
atexit.register(_leave)
