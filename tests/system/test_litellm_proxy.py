"""A real LiteLLM proxy, and the product's own telemetry beside it: each call is one inference, and one charge."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from canonry import lake
from canonry.catalog import Catalog, ModelSpec
from canonry.cost import charge_day, price_snapshot
from canonry.service.formats import litellm
from canonry.storage import Zones, open_zones
from tests import openai_stand_in
from tests.collect.making import collect_all
from tests.s3 import bucket, s3_endpoint
from tests.service import making_calls, test_real_exporters
from tests.service.serving import bearer, build, landed, make_key, serving
from tests.system.litellm_proxy import Proxy, running

__all__ = ["bucket", "s3_endpoint"]

UNSAID = {"product", "team", "environment", "response_model"}
"""What a proxy does not know of the product behind a key without a name; and it logs a model's own name for the version
of it that answered."""


@dataclass(frozen=True)
class Gateway:
    """A proxy, the collector it logs to, and the zones that come of it."""

    zones: Zones
    proxy: Proxy
    collector: str
    token: str

    def make_calls(self, convention: str) -> None:
        """The product's calls, through the proxy, watched by a real instrumentation."""
        variables = {**os.environ, "MODEL_API_KEY": self.proxy.key, "CANONRY_API_KEY": self.token}
        command = [sys.executable, making_calls.__file__, convention, self.proxy.url, self.collector]
        subprocess.run(command, check=True, timeout=120, env=variables)

    def ask(self, model: str, **more: Any) -> dict[str, Any]:
        """One call; `fast` is answered by LiteLLM itself."""
        asked = {"model": model, "messages": [{"role": "user", "content": "who is there?"}], **more}
        answer = httpx.post(f"{self.proxy.url}/chat/completions", json=asked, headers=bearer(self.proxy.key))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def collected(self, logged: int) -> list[dict[str, Any]]:
        """Rows of the lake, in the order of their calls, once the proxy has logged this many calls here and there."""
        wait_until(lambda: len(self.proxy.logged()) >= logged, f"{logged} calls in the proxy's own log")
        wait_until(lambda: self.taken() >= logged, f"{logged} calls at the collector")
        today = dt.datetime.now(dt.UTC).date()
        collect_all(self.zones, today=today)
        return self.table("inferences")

    def taken(self) -> int:
        """How many calls of the proxy are on disk."""
        return sum(line.get("logged_by") == "litellm" for line in landed(self.zones.landing))

    def table(self, kind: str) -> list[dict[str, Any]]:
        found = lake.read(self.zones.lake, kind, days()).to_pylist()
        return sorted(found, key=lambda row: (row.get("started_at") or dt.datetime.min, row["inference_id"]))

    def charges(self) -> dict[str, Decimal]:
        """What each call costs, by our ledger; a call that failed has no price, and none is missing one."""
        snapshot = price_snapshot(self.zones, dt.datetime.now(dt.UTC))
        for day in days():
            charge_day(self.zones, PRICED, day, snapshot)
        cost: dict[str, Decimal] = {}
        for row in lake.read(self.zones.lake, "charges", days()).to_pylist():
            assert row["status"] != "unpriced", row
            cost[row["inference_id"]] = cost.get(row["inference_id"], Decimal()) + (row["amount"] or 0)
        return cost


@pytest.fixture(params=["folder", "object store"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    """With the zones in a folder, and on the S3 emulator."""
    zones = open_zones(tmp_path / "home" if request.param == "folder" else request.getfixturevalue("bucket"))
    lake.ensure_anchors(zones.lake)
    token = make_key(zones)
    (tmp_path / "proxy").mkdir()
    with (
        openai_stand_in.serving() as model,
        serving(build(zones)) as collector,
        running(tmp_path / "proxy", model, collector, token) as proxy,
    ):
        yield Gateway(zones, proxy, collector, token)


def test_calls_costs_and_cache_hits_agree_with_the_proxys_own_log(gateway):
    answers = [gateway.ask("fast"), gateway.ask("fast"), gateway.ask("fast", temperature=0.5), gateway.ask("gpt-x")]
    assert [answer["id"] == answers[0]["id"] for answer in answers] == [True, True, False, False]
    gateway.ask("broken", temperature=0.7)  # fails, and falls back
    rows = gateway.collected(6)
    costs = gateway.charges()
    logged = sorted(gateway.proxy.logged(), key=lambda call: call["startTime"])
    assert len(rows) == len(logged) == 6
    for row, call in zip(rows, logged, strict=True):
        failed = call["status"] == "failure"
        assert (row["error_type"] is not None, row["cache_hit"]) == (failed, bool(call["cache_hit"]))
        assert (row["input_tokens"] or 0, row["output_tokens"] or 0) == (
            call["prompt_tokens"],
            call["completion_tokens"],
        )
        assert float(costs[row["inference_id"]]) == pytest.approx(call["response_cost"], rel=1e-9)
    assert [row["cache_hit"] for row in rows] == [False, True, False, False, False, False]
    assert [row["error_type"] for row in rows] == [None, None, None, None, "InternalServerError", None]
    assert [bool(costs[row["inference_id"]]) for row in rows] == [True, False, True, True, False, True]


def test_a_call_that_the_proxy_logged_and_the_product_traced_is_one_inference_and_one_charge(gateway):
    gateway.make_calls("genai")
    gateway.make_calls("genai")  # as before, so that the proxy answers from its cache
    rows = gateway.collected(2 * len(test_real_exporters.CALLS))
    costs = gateway.charges()
    logged = {call["litellm_call_id"]: call for call in gateway.proxy.logged()}
    chats = [row for row in rows if row["provider_response_id"]]
    assert [row["cache_hit"] for row in chats] == [False, False, True, True]
    for row in chats:
        ids = {row["inference_id"], *row["other_ids"]}
        (call,) = [logged[each] for each in ids & logged.keys()]
        assert len(ids) == 2 and len(ids & costs.keys()) == 1
        assert float(costs[row["inference_id"]]) == pytest.approx(call["response_cost"], rel=1e-9)
        # The product's own span knows what the call was for; the proxy serves all products.
        assert (row["product"], row["environment"]) == (making_calls.PRODUCT, making_calls.ENVIRONMENT)


def test_the_proxys_log_alone_gives_the_rows_that_the_product_would_log(gateway, tmp_path):
    gateway.make_calls("genai")
    gateway.collected(len(test_real_exporters.CALLS))
    lines = "\n".join(map(json.dumps, gateway.proxy.logged()))
    events = [dict(event) for _, event in litellm.convert(lines.encode(), "").events]
    found = test_real_exporters.rows(open_zones(tmp_path / "proxied"), events)
    wanted = test_real_exporters.rows(open_zones(tmp_path / "native"), test_real_exporters.native())
    assert len(found) == len(wanted)
    for row, expected in zip(found, wanted, strict=True):
        told = [name for name in test_real_exporters.COMPARED if name not in UNSAID]
        if row["operation"] == "embeddings":
            # The proxy says what was embedded, and that nothing was put out.
            row |= {"input_messages": None, "output_tokens": row["output_tokens"] or None}
        assert {name: row[name] for name in told} == {name: expected[name] for name in told}
        assert row["response_model"] in (None, row["request_model"])


PRICED = Catalog(
    Path("assets"),
    models={
        "stand-in": ModelSpec.model_validate(
            {
                "description": "The stand-in's models.",
                "owner": "tests",
                "role": "chat",
                "provider": "openai",
                "versions": ["gpt-x", "gpt-x-2026-01-01", "embedder"],
                "stages": [{"stage": "production", "since": "2026-01-01", "reason": "test"}],
                "prices": [
                    {
                        "valid_from": "2026-01-01",
                        "input_mtok": "1",
                        "output_mtok": "2",
                        "cache_read_mtok": "0.25",
                        "reason": "As the proxy is told.",
                    }
                ],
            }
        )
    },
)


def days() -> list[dt.date]:
    today = dt.datetime.now(dt.UTC).date()
    return [today - dt.timedelta(days=1), today]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.2)
