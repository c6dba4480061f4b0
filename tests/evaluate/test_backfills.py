"""What a backfill would take is said before anything is asked, and is what it then takes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from canonry import cli, lake, release
from canonry.collect.partition import collect_day
from canonry.evaluate.backfills import plan_backfill
from canonry.evaluate.scoring import score_day
from canonry.storage import Zones
from tests.completions.stand_in import StandIn
from tests.evaluate import test_definitions as definitions
from tests.evaluate.judges import DAY, MODEL, NOW, catalog_of, judge, prepared, write_calls

NEXT = DAY + dt.timedelta(days=1)


def test_a_judge_s_plan_counts_what_is_kept_and_what_is_asked_and_asks_nothing(zones: Zones, server: StandIn) -> None:
    write_calls(zones, [f"Answer {each}." for each in range(6)])
    write_calls(zones, [f"Answer {each}." for each in range(4, 14)], NEXT)
    spec = judge(budget={"calls_a_day": 4})
    version = prepared(zones, spec, server.url).ready.version
    catalog = catalog_of(spec)

    plan = plan_backfill(zones, catalog, "support", [DAY, NEXT], NOW, version)
    assert not server.requests and not list(zones.journal.list("completions"))
    assert [(each.calls, each.known, each.to_score, each.to_ask) for each in plan.days] == [
        (6, 0, 6, 6),
        (10, 0, 10, 10),
    ]
    assert (plan.budget_days, plan.seconds) == (4, None)
    first = plan.days[0]
    assert first.output_tokens == 6 * 200
    expected = (Decimal(first.input_tokens) * 10 + Decimal(first.output_tokens) * 20) / 1_000_000
    assert first.dollars == expected and plan.dollars is not None and plan.dollars > expected

    for later in range(2):
        score_day(zones.lake, prepared(zones, spec, server.url, NOW + dt.timedelta(days=later)).ready, DAY)
    after = plan_backfill(zones, catalog, "support", [DAY, NEXT], NOW, version)
    assert [(each.known, each.to_ask) for each in after.days] == [(6, 0), (0, 10)]
    assert after.days[1].output_tokens == 10 * 200
    # What the model really said, by the ledger, tells how long its answers are, and how long they take.
    today = dt.datetime.now(dt.UTC).date()
    collect_day(zones, "inferences", today, today=today)
    after = plan_backfill(zones, catalog, "support", [NEXT], NOW, version)
    assert after.days[0].output_tokens == 10 * 2 and after.seconds is not None and after.seconds > 0
    lake.write(zones.lake, "scores", DAY, lake.SCHEMAS["scores"].empty_table(), {})
    again = plan_backfill(zones, catalog, "support", [DAY, NEXT], NOW, version)
    assert (again.days[0].to_score, again.days[0].kept, again.days[0].to_ask) == (6, 6, 0)


def test_a_model_without_a_price_is_unpriced_and_not_free(zones: Zones, server: StandIn) -> None:
    write_calls(zones, ["It opens at nine."])
    spec = judge(model="judge-9", provider="nobody")
    version = prepared(zones, spec, server.url).ready.version
    plan = plan_backfill(zones, catalog_of(spec, {"judge-1": MODEL}), "support", [DAY], NOW, version)
    assert plan.dollars is None and plan.total("to_ask") == 1


def test_the_command_plans_a_backfill_of_rules(
    zones: Zones, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assets = tmp_path_factory.mktemp("assets")
    (assets / "scorers").mkdir()
    (assets / "scorers" / "s.yaml").write_text(
        "description: Made for this test only.\nowner: ai-quality\nkind: rules\nrules:\n  - check: refusal\n"
    )
    monkeypatch.setenv("CANONRY_HOME", zones.home)
    definitions.write_calls(zones)

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["scores", "plan", *arguments, "--assets", str(assets)])
        return done.exit_code, " ".join(done.output.split())

    days = ("--from", "2026-11-18", "--to", "2026-11-19")
    assert run("s", *days)[0] == 1
    released = definitions.publish(zones, definitions.rules("refusal"))
    now = NOW.replace(tzinfo=dt.UTC)
    release.promote(zones.published, "scorers", "s", released.version, reason="made for this test", now=now)
    status, said = run("s", *days)
    assert status == 0 and "3 calls to score, about 0 s" in said and "2026-11-18 0 0 0" in said
    assert not lake.days(zones.lake, "scores")
    assert run("t", *days)[0] == 1
    assert run("s", "--from", "2026-11-19", "--to", "2026-11-18")[0] == 1
