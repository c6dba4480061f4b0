"""A collector of its own process, and a load on it that notes what was acknowledged."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from canonry import lake
from canonry.collect.news import days_to_collect
from canonry.collect.partition import collect_day
from canonry.collect.rejected import collect_unreadable
from canonry.events import EVENT_TYPES
from canonry.storage import Zones
from tests.collect.making import collect_all, ids, rows
from tests.service.serving import ASSETS, bearer, call, make_key, thumb

KINDS = {"inferences": ("inference_id", call), "feedback": ("feedback_id", thumb)}
SIZES = (1, 1, 10, 50)
ROOT = Path(__file__).parents[2]
_STARTS_WITHIN = 60.0


@dataclass
class Collector:
    """`canonry serve` on a home, started and killed as often as is liked, always on one port."""

    zones: Zones
    log: Path
    before: Any = None
    """Runs in the service's process before it begins."""
    code: str = "from canonry.cli import app; app()"
    """What that process is."""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.token = make_key(self.zones)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-c", self.code, "serve", "--port", str(self.port)]
        environment = {**os.environ, "CANONRY_HOME": self.zones.home, "CANONRY_ASSETS": str(ASSETS)}
        environment["CANONRY_SERVICE_REQUESTS_PER_SECOND"] = "0"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, preexec_fn=self.before
            )

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN
        while not self.is_up():
            assert self.process and self.process.poll() is None, f"the service ended:\n{self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"the service did not start:\n{self.log.read_text()[-2000:]}"
            time.sleep(0.02)

    def is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stand_still(self) -> None:
        """Stop the process where it is: nothing is answered from here on."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        # The thread that answers comes first; those that wait for the disk stop when they come back from it.
        stat = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/stat")
        while self.process.poll() is None and stat.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.0005)

    def kill(self) -> None:
        assert self.process and self.process.poll() is None, f"it ended by itself:\n{self.log.read_text()[-2000:]}"
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@contextmanager
def collecting(zones: Zones, log: Path, **given: Any) -> Iterator[Collector]:
    """A collector that is up, and stopped at the end."""
    collector = Collector(zones, log, **given)
    collector.start()
    try:
        collector.wait_until_up()
        yield collector
    finally:
        collector.stop()


@dataclass
class Load:
    """Threads that send batches, each again until it is acknowledged, as clients do. Leaving the context stops them."""

    url: str
    token: str
    senders: int = 4
    pause: float = 0.0
    first: int = 0
    """Number of the first event, for a load that goes on where another ended."""
    sent: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    answers: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    broken: int = 0
    """Requests whose answer never came."""

    def __enter__(self) -> Self:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send_all, args=(number,)) for number in range(self.senders)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(120)

    @property
    def total(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    def wait_for(self, more: int, seconds: float = 60) -> None:
        """Until so many more events are acknowledged."""
        aim, deadline = self.total + more, time.monotonic() + seconds
        while self.total < aim:
            assert time.monotonic() < deadline, f"{self.total} of {aim} acknowledged; {self.answers} {self.wrong[:3]}"
            time.sleep(0.005)

    def wait_for_answer(self, status: int, seconds: float = 60) -> None:
        """Until a request is answered so."""
        deadline = time.monotonic() + seconds
        while not self.answers.get(status):
            assert time.monotonic() < deadline, f"never answered {status}: {self.answers} {self.wrong[:3]}"
            time.sleep(0.005)

    def _send_all(self, sender: int) -> None:
        chance = random.Random(sender)
        with httpx.Client(base_url=self.url, headers=bearer(self.token), timeout=20) as client:
            number = self.first + sender * 10_000_000
            while not self._stopping.is_set():
                kind = chance.choice(list(KINDS))
                name, make = KINDS[kind]
                batch = [make(number + each, attributes={"n": number + each}) for each in range(chance.choice(SIZES))]
                number += len(batch)
                with self._lock:
                    self.sent[kind] |= {event[name] for event in batch}
                while not self._stopping.is_set() and not self._acknowledged(client, kind, batch):
                    time.sleep(0.02)
                time.sleep(self.pause)

    def _acknowledged(self, client: httpx.Client, kind: str, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = client.post(f"/v1/{kind}", json=batch)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            with self._lock:
                self.broken += 1
            return False
        with self._lock:
            self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
            if answer.status_code == 200:
                results = answer.json()["results"]
                self.wrong += [str(result) for result in results if result["status"] not in ("accepted", "duplicate")]
                self.acknowledged[kind] |= {result["id"] for result in results}
                return True
            if answer.status_code not in (429, 503, 507):
                self.wrong.append(answer.text)
            return answer.status_code not in (429, 503, 507)


def loading(collector: Collector, **given: Any) -> Load:
    """A load on a collector."""
    return Load(collector.url, collector.token, **given)


def collect_once(zones: Zones) -> None:
    """One tick of collecting, while more comes in."""
    today = dt.datetime.now(dt.UTC).date()
    for day in days_to_collect(zones, today=today):
        for kind in EVENT_TYPES:
            collect_day(zones, kind, day, today=today)
        collect_unreadable(zones, day)


def check_lake(zones: Zones, load: Load, rejected: Set[str] = frozenset({"torn end"})) -> int:
    """Every acknowledged event is in the lake, none twice, none that was not sent, each with what it said.

    Nothing is rejected, unless for the reasons given, and none of those was acknowledged.
    Both as it is while the day lasts and once it is over. Returns how many events are there.
    """
    today = dt.datetime.now(dt.UTC).date()
    found = 0
    for now in (today, today + dt.timedelta(days=2)):
        collect_all(zones, today=now)
        found = 0
        for kind in KINDS:
            there = ids(zones, kind)
            assert len(there) == len(set(there)), f"{kind}: {len(there) - len(set(there))} are there twice"
            missing = load.acknowledged[kind] - set(there)
            assert not missing, f"{kind}: {len(missing)} acknowledged events are gone, such as {sorted(missing)[:5]}"
            assert set(there) <= load.sent[kind]
            found += len(there)
        for row in rows(zones, "inferences"):
            assert row["attributes"] == f'{{"n":{int(row["inference_id"].removeprefix("call-"))}}}'
    reasons = {row["reason"].partition(":")[0] for row in rows(zones, "rejected")}
    assert reasons <= rejected, reasons
    assert lake.days(zones.lake, "inferences")
    return found


def describe_disk(folder: Path, syncs: int = 100) -> str:
    """The file system a folder lies on, and what an fsync of 4 KB costs there."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [each for each in mounts if folder.resolve().is_relative_to(each[1])]
    device, point, kind = max(inside, key=lambda each: len(each[1]))[:3]
    probe, seconds = folder / "fsync-probe", []
    with open(probe, "ab", buffering=0) as file:
        for _ in range(syncs):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - started)
    probe.unlink()
    middle, late = statistics.median(seconds) * 1e3, sorted(seconds)[int(syncs * 0.99) - 1] * 1e3
    return f"{kind} ({device} on {point}); fsync of 4 KB: median {middle:.2f} ms, p99 {late:.2f} ms"
