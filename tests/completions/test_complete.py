"""Completions over real HTTP from a stand-in that fails, hangs, trickles, limits and talks nonsense."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from canonry.completions import (
    Completion,
    Endpoint,
    EndpointError,
    Failed,
    Message,
    NotConfigured,
    Patience,
    Request,
    complete,
    configured_endpoint,
    forget,
    read_kept,
)
from canonry.completions._many import GIVE_UP_AFTER
from canonry.storage import Zones
from tests.completions.stand_in import Reply, error, serving

QUICK = Patience(attempts=3, answer=0.3, first_wait=0.01, longest_wait=0.05)


def asking(text: str, **parameters: object) -> Request:
    return Request("judge-1", (Message("user", text),), parameters)


def echo(document: dict, number: int) -> Reply:
    return Reply(f"You said {document['messages'][-1]['content']}")


def test_answers_come_in_order_and_the_same_request_is_asked_once() -> None:
    with serving(echo) as server:
        found = complete(Endpoint(server.url, "k-123"), [asking("b"), asking("a"), asking("b")], patience=QUICK)
        assert [each.text for each in found if isinstance(each, Completion)] == [f"You said {each}" for each in "bab"]
        assert len(server.requests) == 2 and set(server.keys) == {"Bearer k-123"}
    first = found[0]
    assert isinstance(first, Completion)
    assert (first.input_tokens, first.output_tokens, first.finish_reason) == (1, 3, "stop")
    assert first.response_model == "judge-1" and first.latency_ms > 0 and not first.kept


def test_what_was_answered_costs_nothing_again(zones: Zones) -> None:
    told: list[str] = []
    with serving(echo) as server:
        endpoint = Endpoint(server.url)
        requests = [asking("a"), asking("a", temperature=0), Request("judge-2", asking("a").messages)]
        for _ in range(2):
            found = complete(
                endpoint,
                requests,
                journal=zones.journal,
                patience=QUICK,
                answered=lambda request, outcome: told.append(request.digest),
            )
        assert len(server.requests) == 3 == len(told)
        assert all(isinstance(each, Completion) and each.kept for each in found)
        salted = Request("judge-1", asking("a").messages, salt="2026-11-20")
        complete(endpoint, [salted], journal=zones.journal, patience=QUICK)
        assert len(server.requests) == 4
        # What cannot be read is asked again, and what is forgotten too.
        path = next(zones.journal.list("completions")).path
        zones.journal.put(path, b"{")
        complete(endpoint, [*requests, salted], journal=zones.journal, patience=QUICK)
        assert len(server.requests) == 5
        forget(zones.journal, [salted])
        assert read_kept(zones.journal, salted) is None and read_kept(zones.journal, requests[0])


@pytest.mark.parametrize(
    ("bad", "asked"),
    [
        (lambda: error(429, "slow down", Retry_After="0.02"), 2),
        (lambda: error(503, "overloaded"), 2),
        (lambda: Reply(body=b"<html>gateway</html>"), 2),
        (lambda: Reply(body=b'{"choices": []}'), 2),
        (lambda: Reply(delay=0.6), 2),
        (lambda: Reply(trickle=0.02), 2),
    ],
    ids=["limited", "overloaded", "html", "no choice", "hangs", "trickles"],
)
def test_what_may_pass_is_tried_again(bad: Callable[[], Reply], asked: int) -> None:
    with serving(lambda document, number: bad() if number == 1 else echo(document, number)) as server:
        (found,) = complete(Endpoint(server.url), [asking("a")], patience=QUICK)
        assert isinstance(found, Completion) and found.text == "You said a"
        assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("bad", "error_type", "asked"),
    [
        (lambda: error(400, "too long"), "400", 1),
        (lambda: error(500, "broken"), "500", 3),
        (lambda: Reply(body=b"nonsense"), "malformed_response", 3),
        (lambda: Reply(delay=0.5), "timeout", 3),
        (lambda: Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}, body=b""), "302", 1),
    ],
    ids=["refused", "broken", "nonsense", "hangs", "sent elsewhere"],
)
def test_what_does_not_pass_fails_alone_and_is_not_kept(
    zones: Zones, bad: Callable[[], Reply], error_type: str, asked: int
) -> None:
    def behave(document: dict, number: int) -> Reply:
        return bad() if document["messages"][-1]["content"] == "bad" else echo(document, number)

    with serving(behave) as server:
        requests = [asking("bad"), asking("good")]
        found = complete(Endpoint(server.url), requests, journal=zones.journal, at_once=1, patience=QUICK)
        assert isinstance(found[0], Failed) and found[0].error_type == error_type
        assert isinstance(found[1], Completion)
        assert len(server.requests) == asked + 1
        assert read_kept(zones.journal, requests[0]) is None


def test_a_wrong_key_stops_everything_and_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda *_: error(401, "Incorrect API key provided: k-secret-9")) as server:
        endpoint = Endpoint(server.url, "k-secret-9")
        with pytest.raises(EndpointError, match="CANONRY_LLM_API_KEY") as caught:
            complete(endpoint, [asking(str(each)) for each in range(50)], patience=QUICK)
        assert len(server.requests) <= 4
        for shown in (str(caught.value), repr(endpoint), caplog.text):
            assert "k-secret-9" not in shown


def test_an_endpoint_that_is_away_is_not_asked_for_ever() -> None:
    with serving(echo) as server:
        url = server.url
    found = complete(Endpoint(url), [asking(str(each)) for each in range(200)], patience=QUICK)
    types = [each.error_type for each in found if isinstance(each, Failed)]
    assert len(types) == 200 and GIVE_UP_AFTER <= types.count("connection") <= GIVE_UP_AFTER + 4


def test_no_more_than_the_bound_are_under_way() -> None:
    with serving(lambda document, number: Reply(delay=0.03)) as server:
        complete(Endpoint(server.url), [asking(str(each)) for each in range(12)], at_once=3)
        assert server.most_at_once == 3


def test_the_endpoint_comes_from_the_environment_alone() -> None:
    with pytest.raises(NotConfigured, match="CANONRY_LLM_URL"):
        configured_endpoint({})
    with pytest.raises(NotConfigured, match="no http or https URL"):
        configured_endpoint({"CANONRY_LLM_URL": "file:///etc/passwd"})
    found = configured_endpoint(
        {"CANONRY_LLM_URL": "http://127.0.0.1:1/v1/chat/completions", "CANONRY_LLM_API_KEY": "k"}
    )
    assert found == Endpoint("http://127.0.0.1:1/v1", "k")
