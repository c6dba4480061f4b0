"""The intake: many requests, one fsync, an answer only then, and each event once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from canonry.collect.rejected import collect_unreadable
from canonry.landing import LandingWriter, utc_now
from canonry.service.access import LOCAL, Caller
from canonry.service.intake import Intake
from canonry.service.problems import Problem
from canonry.service.recent import Recent
from canonry.service.sources import SourceWriter
from canonry.storage import ObjectStorage, Storage
from tests.collect.making import collect_all, rows
from tests.service.serving import (
    FULL,
    QUOTA,
    READ_ONLY,
    FailingFiles,
    HeldFiles,
    accepted,
    call,
    landed,
    on,
    thumb,
    wait_until,
)

DOCS = Caller("0" * 12, "docs", "shop", frozenset({"write:events"}), frozenset())


@asynccontextmanager
async def taking(landing: Storage, **given) -> AsyncIterator[Intake]:
    intake = Intake(landing, writer=lambda source: SourceWriter(LandingWriter(landing, source), False), **given)
    intake.start()
    try:
        yield intake
    finally:
        await asyncio.to_thread(intake.close)


async def send(intake: Intake, *events: dict, caller: Caller = DOCS, kind: str = "inferences") -> list[str]:
    outcomes = await intake.submit(caller, [(kind, dict(event)) for event in events], parsed=True)
    return [outcome.status for outcome in outcomes]


def test_what_waits_for_the_disk_goes_with_one_fsync_and_is_answered_after_it(zones):
    disk = HeldFiles()
    landing = on(zones, disk).landing

    async def main() -> None:
        async with taking(landing) as intake:
            await send(intake, call(0))
            disk.going.clear()
            before = disk.syncs
            first = asyncio.create_task(send(intake, call(1)))
            await wait_until(lambda: disk.held)
            others = [asyncio.create_task(send(intake, call(number))) for number in range(2, 52)]
            await wait_until(lambda: len(intake._waiting) == 50)
            assert not any(task.done() for task in (first, *others))
            disk.going.set()
            assert await asyncio.gather(first, *others) == [["accepted"]] * 51
            assert disk.syncs - before == 2

    asyncio.run(main())
    assert accepted(landing) == [f"call-{number:05d}" for number in range(52)]


def test_an_event_that_is_sent_twice_is_there_once(stored):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            one, other = call(1), call(2)
            assert await send(intake, one, other, one) == ["accepted", "accepted", "duplicate"]
            assert await send(intake, other, call(3)) == ["duplicate", "accepted"]

    asyncio.run(main())
    assert accepted(stored.landing) == ["call-00001", "call-00002", "call-00003"]


def test_another_content_under_a_known_id_is_left_to_collect(stored):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            assert await send(intake, call(1), call(1, input_tokens=5)) == ["accepted", "accepted"]

    asyncio.run(main())
    assert accepted(stored.landing) == ["call-00001"] * 2


def test_a_duplicate_is_acknowledged_only_with_its_first_copy(zones):
    disk = HeldFiles()

    async def main() -> None:
        async with taking(on(zones, disk).landing) as intake:
            event = call(1)
            disk.going.clear()
            first = asyncio.create_task(send(intake, event))
            await wait_until(lambda: disk.held)
            second = asyncio.create_task(send(intake, event))
            await wait_until(lambda: len(intake._waiting) == 1)
            assert not second.done()
            disk.going.set()
            assert [await first, await second] == [["accepted"], ["duplicate"]]

    asyncio.run(main())


def test_a_copy_of_what_was_refused_is_no_duplicate(zones):
    disk = FailingFiles()
    landing = on(zones, disk).landing

    async def main() -> None:
        async with taking(landing) as intake:
            event = call(1)
            disk.error = FULL
            with pytest.raises(Problem) as refused:
                await send(intake, event)
            assert refused.value.status == 507
            disk.error = 0
            assert await send(intake, event) == ["accepted"]

    asyncio.run(main())
    assert accepted(landing) == ["call-00001"]


@pytest.mark.parametrize(("error", "status"), [(FULL, 507), (QUOTA, 507), (READ_ONLY, 503)])
def test_a_disk_that_refuses_is_left_alone_for_a_moment_and_comes_back_by_itself(zones, error, status):
    disk = FailingFiles()
    landing = on(zones, disk).landing

    async def main() -> None:
        async with taking(landing) as intake:
            intake.admit(1)
            disk.error = error
            with pytest.raises(Problem) as refused:
                await send(intake, call(1))
            assert (refused.value.status, refused.value.headers) == (status, {"Retry-After": "1"})
            with pytest.raises(Problem) as early:
                intake.admit(1)
            assert early.value.status == status
            disk.error = 0
            await wait_until(lambda: intake.refusal() is None)
            assert await send(intake, call(1)) == ["accepted"]

    asyncio.run(main())
    assert accepted(landing) == ["call-00001"]


def test_an_object_store_that_is_away_is_503_and_comes_back_by_itself(bucket, monkeypatch):
    landing = ObjectStorage(f"{bucket}/landing")

    async def main() -> None:
        async with taking(landing) as intake:
            with monkeypatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
                away = ObjectStorage(f"{bucket}/landing")
                patch.setattr(landing, "put_if_absent", away.put_if_absent)
                with pytest.raises(Problem) as refused:
                    await send(intake, call(1))
            assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
            await wait_until(lambda: intake.refusal() is None)
            assert await send(intake, call(1)) == ["accepted"]

    asyncio.run(main())
    assert accepted(landing) == ["call-00001"]


def test_a_folder_that_vanishes_is_not_made_again_and_events_go_on_when_it_is_back(zones):
    async def main() -> None:
        async with taking(zones.landing) as intake:
            await send(intake, call(1))
            away = zones.landing.root.rename(zones.landing.root.with_name("away"))
            with pytest.raises(Problem) as refused:
                await send(intake, call(2))
            assert refused.value.status == 503
            assert not zones.landing.root.exists()
            away.rename(zones.landing.root)
            assert await send(intake, call(2)) == ["accepted"]

    asyncio.run(main())
    assert accepted(zones.landing) == ["call-00001", "call-00002"]


def test_a_fault_of_ours_is_said_to_those_it_hit_and_the_next_ones_are_taken(stored, monkeypatch):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            with monkeypatch.context() as patch:
                patch.setattr(LandingWriter, "write", lambda *_: 1 // 0)
                with pytest.raises(Problem) as refused:
                    await send(intake, call(1))
            assert refused.value.status == 500
            assert await send(intake, call(1)) == ["accepted"]

    asyncio.run(main())


def test_the_key_decides_the_team_and_another_teams_name_is_kept_beside(stored):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            sent = [call(1), call(2, team="docs"), call(3, team="sales"), call(4, team=7), call(5, team="")]
            statuses = await send(intake, *sent)
            assert statuses == ["accepted", "accepted", "rejected", "rejected", "accepted"]
            thumbs = [thumb(1, team="sales"), thumb(2), thumb(3, team="docs")]
            assert await send(intake, *thumbs, kind="feedback") == ["rejected", "accepted", "accepted"]
            assert await send(intake, thumb(4, team="sales"), kind="feedback", caller=LOCAL) == ["accepted"]
            assert await send(intake, call(6, team="sales"), call(7), caller=LOCAL) == ["accepted", "accepted"]

    asyncio.run(main())
    teams = {line["inference_id"]: line["team"] for line in landed(stored.landing) if "reason" not in line}
    assert teams == {
        "call-00001": "docs",
        "call-00002": "docs",
        "call-00005": "docs",
        "call-00006": "sales",
        "call-00007": "local",
    }
    lines = [*landed(stored.landing), *landed(stored.landing, "feedback")]
    reasons = [line["reason"] for line in lines if "reason" in line]
    assert [reason.partition(":")[0] for reason in reasons] == ["team"] * 3
    collect_all(stored, today=utc_now().date())
    thumbs = {row["feedback_id"]: row["team"] for row in rows(stored, "feedback")}
    assert thumbs == {"thumb-00002": "docs", "thumb-00003": "docs", "thumb-00004": "sales"}


def test_what_is_rejected_lies_in_the_lake_with_its_reason_and_bytes_once(stored):
    wrong = {"inference_id": "a", "started_at": "yesterday", "product": "shop"}

    async def main() -> None:
        async with taking(stored.landing) as intake:
            for _ in range(3):
                outcomes = await intake.submit(
                    DOCS, [("inferences", wrong), ("inferences", b"{torn")], [("inferences", "span: broken", b"raw")]
                )
                assert [outcome.status for outcome in outcomes] == ["rejected"] * 3

    asyncio.run(main())
    collect_unreadable(stored, utc_now().date())
    found = sorted((row["reason"].partition(":")[0], row["raw"]) for row in rows(stored, "rejected"))
    assert [reason for reason, _ in found] == ["event", "span", "started_at"]
    assert found[0][1] == b"{torn"
    assert found[1][1] == b"raw"


def test_outcomes_are_in_the_order_sent_whatever_the_kinds(stored):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            events = [("inferences", call(1)), ("feedback", thumb(1)), ("inferences", {}), ("feedback", thumb(2))]
            outcomes = await intake.submit(DOCS, events)
            assert [(each.status, each.id) for each in outcomes] == [
                ("accepted", "call-00001"),
                ("accepted", "thumb-00001"),
                ("rejected", None),
                ("accepted", "thumb-00002"),
            ]
            assert await intake.submit(DOCS, []) == []

    asyncio.run(main())


def test_what_waits_is_written_before_it_stops(stored):
    async def main() -> list[list[str]]:
        async with taking(stored.landing) as intake:
            tasks = [asyncio.create_task(send(intake, call(number))) for number in range(20)]
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [["accepted"]] * 20
    assert len(accepted(stored.landing)) == 20


def test_a_large_batch_is_taken_like_a_small_one(stored):
    async def main() -> None:
        async with taking(stored.landing) as intake:
            events = [call(number) for number in range(1500)]
            assert await send(intake, *events, events[3]) == ["accepted"] * 1500 + ["duplicate"]

    asyncio.run(main())


def test_memory_of_what_was_seen_is_bounded():
    recent = Recent(100)
    for number in range(1000):
        recent.add([str(number)])
        assert len(recent) <= 101
    assert "999" in recent
    assert "960" in recent
    assert "100" not in recent
