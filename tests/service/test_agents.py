"""Agents: one that runs here holds its calls and is a step; one that runs elsewhere is a call that is paid for."""

from __future__ import annotations

import pytest

from tests.service.spans import CHAT, attributes, convert, event, span

CLIENT, INTERNAL = 3, 1
AGENT = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "guide",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 99,
    "gen_ai.usage.output_tokens": 7,
}


def kinds(*spans):
    """What each span became, in their order."""
    named = {
        name: kind for kind, each in convert(*spans).events if (name := each.get("span_id") or each.get("step_id"))
    }
    return [named[each["spanId"]] for each in spans]


def under(number: int) -> dict[str, str]:
    return {"parentSpanId": f"{number:016x}"}


def test_an_agent_elsewhere_that_says_what_it_used_is_a_call():
    ((kind, call),) = convert(span(1, AGENT, kind=CLIENT)).events
    assert (kind, call["operation"], call["input_tokens"], call["output_tokens"]) == (
        "inferences",
        "invoke_agent",
        99,
        7,
    )
    assert (call["request_model"], call["attributes"]) == ("m", {"gen_ai.agent.name": "guide"})


@pytest.mark.parametrize(
    "agent",
    [
        span(1, AGENT, kind=INTERNAL),
        span(1, AGENT),
        span(1, {name: value for name, value in AGENT.items() if "usage" not in name}, kind=CLIENT),
        span(1, {**AGENT, "gen_ai.operation.name": "invoke_workflow"}, kind=CLIENT),
        span(1, {**AGENT, "openinference.span.kind": "AGENT"}, kind=CLIENT),
    ],
)
def test_any_other_agent_is_a_step(agent):
    assert kinds(agent) == ["steps"]


def test_an_agent_whose_calls_are_in_the_body_is_a_step_however_deep_they_lie():
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    agent = span(1, AGENT, kind=CLIENT)
    assert kinds(agent, span(2, tool, **under(1)), span(3, CHAT, **under(2))) == ["steps", "steps", "inferences"]
    assert kinds(span(3, CHAT, **under(1)), agent) == ["inferences", "steps"]
    assert kinds(agent, span(2, tool, **under(1))) == ["inferences", "steps"]
    openinference = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
    assert kinds(agent, span(2, openinference, **under(1))) == ["steps", "inferences"]


def test_of_agents_in_agents_the_innermost_is_the_call():
    outer, inner = span(1, AGENT, kind=CLIENT), span(2, AGENT, kind=CLIENT, **under(1))
    assert kinds(outer, inner) == ["steps", "inferences"]
    assert kinds(outer, inner, span(3, CHAT, **under(2))) == ["steps", "steps", "inferences"]


def test_a_call_in_another_trace_or_a_ring_of_parents_changes_nothing():
    agent = span(1, AGENT, kind=CLIENT)
    assert kinds(agent, span(2, CHAT, traceId="f" * 32, **under(1))) == ["inferences", "inferences"]
    ring = [span(4, {"a": 1}, **under(5)), span(5, {"a": 1}, **under(4)), span(6, CHAT, **under(4))]
    assert convert(agent, *ring).other == {"span": 2}


def test_an_evaluation_of_an_agent_elsewhere_is_about_its_call():
    said = attributes(AGENT)
    found = convert(span(1, {}, attributes=said, kind=CLIENT, events=[event("gen_ai.evaluation.result", {})]))
    assert [each.get("inference_id") for _, each in found.events] == [f"{1:016x}"] * 2
