"""Logging across the ends and forks of processes: killed, forked, ended, and several at one time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client import stand_in_service
from tests.client.stand_in_service import StandIn, hang, status

ROOT = Path(__file__).parents[2]

BEGIN = """
import os, sys, time
from canonry.client import EventLog, flush, log_inference, stats

def say(*words):
    # In one piece, also where several processes speak at one time and Python does not buffer.
    os.write(1, (" ".join(words) + "\\n").encode())
"""


@pytest.fixture
def service() -> Iterator[StandIn]:
    with StandIn() as found:
        yield found


@pytest.fixture
def start(service: StandIn, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a product: a program that logs to the stand-in and prints the ids it logged."""
    started: list[subprocess.Popen[str]] = []
    settings = {"CANONRY_URL": service.url, "CANONRY_API_KEY": "cnr_abc_secret", "XDG_STATE_HOME": str(tmp_path)}

    def begin(program: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", BEGIN + program]
        environment = {**os.environ, **settings}
        found = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(found)
        return found

    yield begin
    for process in started:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> list[str]:
    """The lines a process printed, once it has ended as it should."""
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.split()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not within 30 s: {what}"
        time.sleep(0.02)


LOG_AND_END = "say(*(log_inference(output_tokens=number) for number in range(300)))"


def test_the_end_of_a_process_flushes(start: Callable[[str], subprocess.Popen[str]], service: StandIn) -> None:
    assert ended(start(LOG_AND_END)) == service.order


@pytest.mark.parametrize("how", ["raise RuntimeError('bug')", "sys.exit(3)"])
def test_so_does_an_end_by_an_exception(
    how: str, start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    said, _ = start(f"{LOG_AND_END}\n{how}").communicate(timeout=60)
    assert said.split() == service.order


@pytest.mark.parametrize("behaviour", [status(503), hang], ids=["away", "hanging"])
def test_an_end_while_the_service_is_away_is_not_held_up_and_loses_nothing(
    behaviour: stand_in_service.Behaviour, start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    service.behaviour = behaviour
    made = ended(start(LOG_AND_END))
    assert service.order == []
    service.behaviour = stand_in_service.take
    # The next process of this product adopts what waits, before it sends its own.
    new = ended(start("say(log_inference())\nflush(30)"))
    wait_until(lambda: set(service.order) == {*made, *new}, "what the first left")
    assert sorted(service.order, key=[*made, *new].index) == [*made, *new]


def test_a_process_that_is_killed_loses_nothing_that_was_spooled(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    """Killed while the service takes some batches, cuts off others, and fails the rest."""
    program = """
log = EventLog(os.environ["CANONRY_URL"], os.environ["CANONRY_API_KEY"], batch=5, interval_s=0.01)
while True:
    made = [log.log_inference() for _ in range(20)]
    while log.stats().queued:
        time.sleep(0.001)
    say(*made)
"""
    turn = iter(range(1_000_000))
    ways = (stand_in_service.take, stand_in_service.cut_off, status(500))
    service.behaviour = lambda handler, events: ways[next(turn) % len(ways)](handler, events)
    spooled: list[str] = []
    for _ in range(4):
        process = start(program)
        assert process.stdout is not None
        for _ in range(15):
            spooled += process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        # A line that was cut off by the kill is no promise.
        spooled += [each for line in rest.splitlines(keepends=True) if line.endswith("\n") for each in line.split()]
    assert len(spooled) >= 4 * 15 * 20
    service.behaviour = stand_in_service.take
    ended(start("log_inference()\nwhile stats().spooled or not stats().sent: time.sleep(0.01)"))
    assert not set(spooled) - set(service.seen)


FORK = """
made = [log_inference(output_tokens=number) for number in range(50)]
{before}
child = os.fork()
if child == 0:
    assert stats().queued + stats().spooled + stats().sent == 0
    say(*("child:" + log_inference() for _ in range(30)))
    sys.exit()
more = [log_inference() for _ in range(30)]
assert os.waitpid(child, 0)[1] == 0
say(*("parent:" + each for each in made + more))
"""


@pytest.mark.parametrize("before", ["", "flush(30)", "time.sleep(0.3)"], ids=["queued", "sent", "under-way"])
@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
def test_a_fork_sends_its_own_events_and_not_those_of_its_parent(
    before: str, away: bool, start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    service.behaviour = status(503) if away else stand_in_service.take
    said = ended(start(FORK.format(before=before.replace("30", "0.3") if away else before)))
    made = [each.partition(":")[2] for each in said]
    assert len(made) == 110
    if away:
        service.behaviour = stand_in_service.take
        made += ended(start("say(log_inference())\nflush(30)"))
    wait_until(lambda: set(service.seen) == set(made), "both")
    assert set(service.seen.values()) == {1}


def test_children_of_multiprocessing_flush_at_their_end(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = """
import multiprocessing
log_inference()
def work():
    say(*(log_inference() for _ in range(20)))
workers = [multiprocessing.get_context("fork").Process(target=work) for _ in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
assert [worker.exitcode for worker in workers] == [0, 0, 0]
"""
    made = ended(start(program))
    assert len(made) == 60
    assert set(made) <= set(service.seen)
    assert len(service.seen) == 61


def test_processes_that_live_at_one_time_keep_out_of_each_others_way(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    service.behaviour = status(503)
    program = LOG_AND_END + "\nwhile not flush(1): pass"
    processes = [start(program) for _ in range(3)]
    wait_until(lambda: len(service.requests) > 6, "attempts of all")
    service.behaviour = stand_in_service.take
    made = [each for process in processes for each in ended(process)]
    assert len(made) == 900
    assert set(service.seen) == set(made)
    assert set(service.seen.values()) == {1}


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_living_process_takes_over_from_one_that_died(
    busy: bool, start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = "from canonry.client import _sender\n_sender.ADOPT_SECONDS = 0.1\nsay(log_inference())\n"
    living = start(program + ("while True: log_inference(), time.sleep(0.001)" if busy else "time.sleep(60)"))
    assert living.stdout is not None
    first = living.stdout.readline().split()
    wait_until(lambda: service.order[:1] == first, "its own event")
    service.behaviour = status(503)
    made = ended(start(LOG_AND_END))
    service.behaviour = stand_in_service.take
    wait_until(lambda: set(service.seen) >= {*first, *made}, "those of the dead")


def test_what_waits_when_its_process_forks_and_ends_at_once_is_sent_by_the_child(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    """As a program does that makes itself a daemon: its parent ends without handlers of `atexit`.

    The service takes nothing while the parent lives, for what the parent was sending when it ended may come twice.
    """
    service.behaviour = status(503)
    program = """
parent = os.getpid()
log = EventLog(os.environ["CANONRY_URL"], os.environ["CANONRY_API_KEY"], interval_s=60)
say(*(log.log_inference() for _ in range(50)))
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
say(log.log_inference())
assert log.flush(30)
"""
    process = start(program)
    process.wait(60)
    service.behaviour = stand_in_service.take
    assert set(ended(process)) == set(service.seen)
    assert (len(service.seen), set(service.seen.values())) == (51, {1})


def test_a_fork_in_the_midst_of_an_import_of_ours_leaves_a_child_that_sends(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = """
import signal, threading
begun = threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "httpx":
            begun.set()
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
say(log_inference())
assert begun.wait(30)
child = os.fork()
if child == 0:
    signal.alarm(30)
    say(log_inference())
    os._exit(0 if flush(20) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    assert set(ended(start(program))) == set(service.seen)


def test_a_fork_is_not_held_up_for_ever_by_a_disk_that_hangs(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = """
from canonry.client._spool import Spool
go = __import__("threading").Event()
append, Spool.append = Spool.append, lambda *args, **kwargs: go.wait() and append(*args, **kwargs)
say(log_inference())
child = os.fork()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go.set()
assert flush(30)
"""
    assert ended(start(program)) == service.order


def test_a_log_that_was_closed_is_closed_in_a_child(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = """
log = EventLog(os.environ["CANONRY_URL"], os.environ["CANONRY_API_KEY"])
log.close()
child = os.fork()
log.log_inference()
assert log.stats().dropped == 1, log.stats()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    ended(start(program))
    assert service.order == []


def test_an_end_with_many_logs_takes_the_time_of_one(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    """One after the other they would take more than a minute; `ended` gives up after that."""
    service.behaviour = hang
    program = """
logs = [EventLog(os.environ["CANONRY_URL"], f"cnr_{number}_secret") for number in range(40)]
say(*(log.log_inference() for log in logs))
"""
    made = ended(start(program))
    service.behaviour = stand_in_service.take
    program = """
logs = [EventLog(os.environ["CANONRY_URL"], f"cnr_{number}_secret") for number in range(40)]
for log in logs: log.log_inference(operation="new")
assert all(log.flush(30) for log in logs)
"""
    ended(start(program))
    wait_until(lambda: set(made) <= set(service.seen), "what the first left")


def test_what_is_logged_after_the_end_has_begun_is_sent_by_the_next_process(
    start: Callable[[str], subprocess.Popen[str]], service: StandIn
) -> None:
    program = """
import atexit
say(log_inference())
# Handlers run in the reverse order: this one is to run after the client's own.
from canonry.client import _event_log
atexit.unregister(_event_log._leave)
unused = EventLog(os.environ["CANONRY_URL"], os.environ["CANONRY_API_KEY"])
closed = EventLog(os.environ["CANONRY_URL"], os.environ["CANONRY_API_KEY"])
closed.close()
atexit.register(lambda: say(log_inference(), unused.log_inference()))
atexit.register(closed.log_inference)
atexit.register(_event_log._leave)
"""
    made = ended(start(program))
    assert len(made) == 3
    new = ended(start("say(log_inference())\nflush(30)"))
    wait_until(lambda: set(service.order) == {*made, *new}, "what was logged late")
