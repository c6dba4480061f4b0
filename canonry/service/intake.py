"""Events on their way to the disk: many requests, one fsync, and an answer only then.

Requests prepare their events and put them into a queue; one thread takes all that wait, appends those of one source
and kind together, and then lets the requests go on. What waits is bounded by the bytes of the bodies it came in.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from canonry.landing import LandingWriter, Prepared
from canonry.service.access import Caller
from canonry.service.fields import checker
from canonry.service.limits import Budget
from canonry.service.outcomes import Event, Group, Observer, Outcome, Rejected, Status
from canonry.service.problems import Problem, retry_after
from canonry.service.recent import Recent
from canonry.service.sources import SourceWriter
from canonry.storage import LocalStorage, Storage, StorageError

_PAUSE_SECONDS = 1.0
_COMMIT_BYTES = 32 << 20
_GATHER_SECONDS = 0.001
"""Where the last commit held several requests, the next waits so long for more: fewer commits leave the loop alone."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_INLINE_EVENTS = 100
"""A larger batch is prepared in a thread, so that it holds up nobody's answer."""

_UNKNOWN = Outcome("rejected", None, None)


class Failure(NamedTuple):
    """Why a commit came to nothing. An exception is made of it for each who waits, as each is raised apart."""

    status: int
    detail: str

    def problem(self) -> Problem:
        """What the request is answered."""
        return Problem(self.status, self.detail, headers=retry_after(_PAUSE_SECONDS))


@dataclass(eq=False)
class _Job:
    source: str
    groups: list[Group]
    size: int
    total: int
    done: asyncio.Future[list[Outcome]]
    outcomes: list[Outcome] = field(default_factory=list)
    failure: Failure | None = None


class Intake:
    """Takes events to the disk. `submit` from one event loop; the writing is done by one thread of its own."""

    def __init__(
        self,
        landing: Storage,
        *,
        writer: Callable[[str], SourceWriter],
        queue_bytes: int = 64 << 20,
        remembered: int = 200_000,
        observer: Observer | None = None,
    ) -> None:
        self.budget = Budget(queue_bytes)
        self._landing = landing
        self._make_writer = writer
        self._writers: dict[str, SourceWriter] = {}
        self._preparing = ThreadPoolExecutor(1, "canonry-prepare")
        self._observer = observer or Observer()
        self._recent: dict[str, Recent] = defaultdict(lambda: Recent(remembered))
        self._waiting: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: Failure | None = None
        self._refused_until = 0.0

    def start(self) -> None:
        """Begin to write. Call it in the event loop that submits."""
        self._loop = asyncio.get_running_loop()
        if isinstance(self._landing, LocalStorage):
            # A folder that vanishes later is not made again: it may be a disk that is gone.
            self._landing.make_root()
        self._thread = threading.Thread(target=self._write_all, name="canonry-intake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread:
            self._thread.join()
        self._preparing.shutdown()

    def refusal(self) -> Problem | None:
        """Why nothing can be taken at the moment, or None. After a failure it is tried again a second later."""
        failure = self._failure
        return failure.problem() if failure and time.monotonic() < self._refused_until else None

    def admit(self, size: int) -> None:
        """Refuse a request of this many bytes before it is read, where it could not be taken. Raises Problem."""
        if refusal := self.refusal():
            raise refusal
        if self.budget.held and self.budget.held + size > self.budget.limit:
            raise overloaded()

    async def submit(
        self,
        caller: Caller,
        events: Sequence[tuple[str, Event]],
        rejected: Sequence[Rejected] = (),
        *,
        size: int = 0,
        parsed: bool = False,
    ) -> list[Outcome]:
        """Outcomes of events by position, then of `rejected`; when it returns, all of them are on disk.

        `parsed` documents come from orjson and belong to the intake from now on. Raises Problem 507 where the disk is
        full, 503 where the storage is away; all of it may then be sent again.
        """
        groups: dict[str, tuple[list[int], list[Event]]] = {}
        for position, (kind, event) in enumerate(events):
            positions, some = groups.setdefault(kind, ([], []))
            positions.append(position)
            some.append(event)
        work = [(kind, positions, some) for kind, (positions, some) in groups.items()]
        return await self._submit(caller, work, rejected, len(events), size, parsed)

    async def submit_all(
        self, caller: Caller, kind: str, events: list[Event], *, size: int = 0, parsed: bool = False
    ) -> list[Outcome]:
        """Outcomes of events of one kind; as `submit`, and faster."""
        return await self._submit(caller, [(kind, range(len(events)), events)], (), len(events), size, parsed)

    async def _submit(
        self,
        caller: Caller,
        work: Sequence[tuple[str, Sequence[int], list[Event]]],
        rejected: Sequence[Rejected],
        total: int,
        size: int,
        parsed: bool,
    ) -> list[Outcome]:
        if not total and not rejected:
            return []
        writer, thorough = self._writer(caller.source)
        loop = asyncio.get_running_loop()
        if thorough or total > _INLINE_EVENTS or size > (_INLINE_EVENTS << 10):
            prepare = partial(_prepare, writer, caller.team, work, rejected, total, parsed)
            groups = await loop.run_in_executor(self._preparing, prepare)
        else:
            groups = _prepare(writer, caller.team, work, rejected, total, parsed)
        job = _Job(caller.source, groups, size, total + len(rejected), loop.create_future())
        with self._wake:
            self._waiting.append(job)
            self._wake.notify()
        return await job.done

    def _writer(self, source: str) -> SourceWriter:
        if source not in self._writers:
            self._writers[source] = self._make_writer(source)
        return self._writers[source]

    def _write_all(self) -> None:
        assert self._loop
        busy = False
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
            if busy and not self._closing:
                time.sleep(_GATHER_SECONDS)
            with self._wake:
                jobs, size = [], 0
                while self._waiting and size < _COMMIT_BYTES:
                    jobs.append(self._waiting.popleft())
                    size += jobs[-1].size
            busy = len(jobs) > 1
            self._commit(jobs)
            try:
                self._loop.call_soon_threadsafe(_let_go, jobs)
            except RuntimeError:  # the loop is closed, and nobody waits
                return

    def _commit(self, jobs: list[_Job]) -> None:
        together: dict[tuple[str, str], list[tuple[_Job, Group]]] = defaultdict(list)
        for job in jobs:
            job.outcomes = [_UNKNOWN] * job.total
            for group in job.groups:
                together[job.source, group.kind].append((job, group))
        for (source, kind), parts in together.items():
            try:
                self._write(source, kind, parts)
            except Exception as error:
                self._observer.failed(error)
                failure = self._refuse(error)
                for job, _ in parts:
                    job.failure = failure

    def _write(self, source: str, kind: str, parts: list[tuple[_Job, Group]]) -> None:
        """Append what is new of one source and kind; what is remembered counts only once that has reached the disk."""
        recent = self._recent[kind]
        fresh: list[Prepared] = []
        marks: set[str] = set()
        counts: dict[Status, int] = {"accepted": 0, "duplicate": 0, "rejected": 0}
        for job, group in parts:
            outcomes = job.outcomes
            for position, each in zip(group.positions, group.prepared, strict=True):
                # The digest covers the id and everything else that was sent.
                _, _, _, mark, identifier, reason, _ = each
                status: Status = "accepted"
                if reason is not None:
                    mark += source
                    status = "rejected"
                if mark in marks or mark in recent:
                    status = "duplicate" if reason is None else status
                else:
                    marks.add(mark)
                    fresh.append(each)
                counts[status] += 1
                outcomes[position] = Outcome(status, reason, identifier)
        if fresh:
            if isinstance(self._landing, LocalStorage) and not self._landing.root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the landing folder is gone")
            started = time.perf_counter()
            self._writers[source].writer.write(kind, fresh)
            self._observer.committed(len(fresh), time.perf_counter() - started)
            recent.add(marks)
            self._failure = None
        for answered, events in counts.items():
            if events:
                self._observer.counted(kind, source, answered, events)

    def _refuse(self, error: Exception) -> Failure:
        """What a failure is to those who wait; a storage that fails is left alone for a moment."""
        if isinstance(error, OSError) and error.errno in _FULL:
            failure = Failure(507, "the disk is full; nothing of this request counts, send it again later")
        elif isinstance(error, OSError | StorageError):
            failure = Failure(503, "landing cannot be written at the moment; send the request again later")
        else:
            return Failure(500, "the events could not be written, which is our fault; the log says why")
        self._failure, self._refused_until = failure, time.monotonic() + _PAUSE_SECONDS
        return failure


def overloaded() -> Problem:
    """What is said where more bytes wait than may."""
    detail = "more waits to be written than may; send it again as Retry-After says"
    return Problem(429, detail, headers=retry_after(1))


def _prepare(
    writer: LandingWriter,
    team: str,
    work: Sequence[tuple[str, Sequence[int], list[Event]]],
    rejected: Sequence[Rejected],
    total: int,
    parsed: bool,
) -> list[Group]:
    groups = [
        Group(kind, positions, writer.prepare(kind, some, check=checker(kind, team), parsed=parsed))
        for kind, positions, some in work
    ]
    for position, (kind, reason, raw) in enumerate(rejected, start=total):
        groups.append(Group(kind, (position,), [writer.keep(kind, reason, raw)]))
    return groups


def _let_go(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.done.done():
            continue
        if job.failure is not None:
            job.done.set_exception(job.failure.problem())
        else:
            job.done.set_result(job.outcomes)
