"""Who is told, when, how often: on a real HTTP receiver that fails at first."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys

import pytest

from canonry.alerts import Silence, deliver, every, last_errors, pending, queue, silence
from canonry.alerts.channels import send_by_apprise
from canonry.storage import open_zones
from tests.alerts.receiver import receiving
from tests.alerts.test_incidents import HOUR, NIGHT, broken, holds, look

CHANNELS = {"low": ("ON_CALL",)}


@pytest.fixture
def zones(tmp_path):
    return open_zones(tmp_path)


def tell(zones, url, now, send=send_by_apprise):
    return deliver(zones.journal, send, now=lambda: now, variables={"ON_CALL": url} if url else {}, holder="test")


def test_what_opened_and_ended_is_told_once_with_owner_runbook_and_its_name(zones):
    look(zones, [broken()], 0)
    with receiving() as (receiver, url):
        for _ in range(2):
            queue(zones.journal, CHANNELS, NIGHT)
            tell(zones, url, NIGHT)
        look(zones, [holds()], 1)
        queue(zones.journal, CHANNELS, NIGHT + HOUR)
        assert tell(zones, url, NIGHT + HOUR).delivered
    assert [status for status, _, _ in receiver.posts] == [200, 200]
    (_, name, opened), (_, _, ended) = receiver.posts
    (incident,) = every(zones.journal)
    assert name == f"{incident.incident_id}.1.ON_CALL"
    assert opened["title"] == "[warn] low opened: m2"
    for words in (
        "m2: 40%",
        "Owner: a-team",
        "docs/runbooks.md#quality",
        f"incidents show {incident.incident_id}",
        name,
    ):
        assert words in opened["message"]
    assert (ended["title"], ended["type"]) == ("[warn] low resolved: m2", "success")


def test_a_channel_that_fails_is_tried_again_ever_more_slowly_until_it_takes_the_message(zones):
    look(zones, [broken()], 0)
    queue(zones.journal, CHANNELS, NIGHT)
    tried = []
    with receiving(failures=4) as (receiver, url):
        for second in range(0, 3600, 10):
            now = NIGHT + dt.timedelta(seconds=second)
            if any(due for _, due in pending(zones.journal, now, {"ON_CALL": url})):
                tried.append(second)
                found = tell(zones, url, now)
                if found.failed:
                    assert list(found.failed.values()) == ["ON_CALL answered with status 503"]
    assert [status for status, _, _ in receiver.posts] == [503] * 4 + [200]
    assert tried == [0, 30, 90, 210, 450]
    assert not list(pending(zones.journal, NIGHT + 9 * HOUR, {"ON_CALL": url}))
    assert last_errors(zones.journal) == {}


def test_no_error_and_no_file_holds_the_secret(zones, tmp_path, capfd):
    look(zones, [broken()], 0)
    queue(zones.journal, CHANNELS, NIGHT)
    with receiving(failures=1) as (_, url):
        tell(zones, url, NIGHT)
    tell(zones, url, NIGHT + HOUR)  # nobody listens any more
    tell(zones, "nothing://s3cret-path", NIGHT + 9 * HOUR)
    assert len(set(last_errors(zones.journal).values())) == 1
    kept = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert not any("s3cret" in text for text in kept)
    said = capfd.readouterr()
    assert "s3cret" not in said.out + said.err


def test_a_channel_without_its_variable_waits_and_is_told_when_it_has_one(zones):
    look(zones, [broken()], 0)
    queue(zones.journal, CHANNELS, NIGHT)
    assert tell(zones, None, NIGHT).waiting == 1
    with receiving() as (receiver, url):
        assert tell(zones, url, NIGHT + 999 * HOUR).delivered
    assert len(receiver.posts) == 1


def test_nobody_is_told_in_a_silence_and_of_what_is_still_open_when_it_ends(zones):
    (incident,) = look(zones, [broken("m1"), broken("m2")], 0)[:1]
    silence(zones.journal, Silence("low", incident.key, NIGHT, NIGHT + 4 * HOUR, "jo", "load test"))
    assert [message.incident_id for message in queue(zones.journal, CHANNELS, NIGHT)] != [incident.incident_id]
    assert queue(zones.journal, CHANNELS, NIGHT + 3 * HOUR) == []
    (late,) = queue(zones.journal, CHANNELS, NIGHT + 4 * HOUR)
    assert (late.incident_id, late.what) == (incident.incident_id, "opened")


def test_what_opened_and_ended_within_a_silence_is_never_told(zones):
    look(zones, [broken()], 0)
    silence(zones.journal, Silence("low", None, NIGHT, NIGHT + 4 * HOUR, "jo", "load test"))
    queue(zones.journal, CHANNELS, NIGHT)
    look(zones, [holds()], 1)
    assert queue(zones.journal, CHANNELS, NIGHT + 5 * HOUR) == []


def test_what_comes_from_outside_is_no_markup(zones):
    look(zones, [broken("<!channel>\u202e")], 0)
    (message,) = queue(zones.journal, CHANNELS, NIGHT)
    assert message.title == "[warn] low opened: ‹!channel› "


_KILLED = """
import datetime as dt, os, signal, sys
from canonry.alerts import deliver, queue
from canonry.alerts.channels import send_by_apprise
from canonry.storage import open_zones
journal = open_zones(sys.argv[1]).journal
now = dt.datetime(2026, 11, 16)
queue(journal, {"low": ("ON_CALL",)}, now)
if sys.argv[3] == "before": os.kill(os.getpid(), signal.SIGKILL)
def send(url, message):
    error = send_by_apprise(url, message)
    os.kill(os.getpid(), signal.SIGKILL)
    return error
deliver(journal, send, now=lambda: now, variables={"ON_CALL": sys.argv[2]}, holder="killed")
"""


@pytest.mark.parametrize(("moment", "posts"), [("before", 1), ("between", 2)])
def test_a_process_killed_between_loses_nothing_and_a_second_telling_has_the_same_name(zones, tmp_path, moment, posts):
    look(zones, [broken()], 0)
    with receiving() as (receiver, url):
        killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), url, moment], timeout=60)
        assert killed.returncode == -signal.SIGKILL
        lease = tmp_path / "journal/outbox/lease.json"
        if lease.exists():
            lease.unlink()  # a dead holder's lease is free after a minute; tests/storage holds that
        queue(zones.journal, CHANNELS, NIGHT + HOUR)
        assert len(tell(zones, url, NIGHT + HOUR).delivered) == 1
    assert [status for status, _, _ in receiver.posts] == [200] * posts
    assert len({name for _, name, _ in receiver.posts}) == 1


def test_two_processes_do_not_tell_at_once(zones):
    look(zones, [broken()], 0)
    queue(zones.journal, CHANNELS, NIGHT)
    told = []

    def send(url, message):
        told.append(message)
        assert tell(zones, url, NIGHT, send).delivered == ()

    assert len(tell(zones, "json://127.0.0.1", NIGHT, send).delivered) == 1
    assert len(told) == 1
