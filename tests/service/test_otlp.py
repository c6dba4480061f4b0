"""Spans and log records as events: what each convention's attributes mean, and what cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canonry.service.formats import FormatError, otlp
from tests.service.spans import CHAT, TRACE, attributes, body, convert, event, only, span


def test_a_call_in_the_current_names():
    found = only(
        span(
            1,
            {
                **CHAT,
                "gen_ai.provider.name": "anthropic",
                "gen_ai.response.model": "m-2",
                "gen_ai.response.id": "r-1",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.cache_read.input_tokens": 4,
                "gen_ai.usage.cache_creation.input_tokens": 2,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.reasoning.output_tokens": 3,
                "gen_ai.request.temperature": 0.5,
                "gen_ai.request.stop_sequences": ["END"],
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.response.time_to_first_chunk": 0.125,
                "gen_ai.conversation.id": "c-1",
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "be kind"}]),
                "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]),
                "enduser.id": "anna",
                "shop.cart": "full",
                "canonry.feature": "help",
                "canonry.unheard_of": 1,
            },
        ),
        resource={"service.name": "shop", "deployment.environment.name": "production", "service.version": "7"},
    )
    assert found == {
        "inference_id": f"{1:016x}",
        "trace_id": TRACE,
        "span_id": f"{1:016x}",
        "session_id": "c-1",
        "started_at": "2026-03-10T12:00:01.000000Z",
        "latency_ms": 250.0,
        "time_to_first_token_ms": 125.0,
        "product": "shop",
        "feature": "help",
        "environment": "production",
        "operation": "chat",
        "provider": "anthropic",
        "request_model": "m",
        "response_model": "m-2",
        "provider_response_id": "r-1",
        "input_tokens": 10,
        "cache_read_tokens": 4,
        "cache_write_tokens": 2,
        "output_tokens": 5,
        "reasoning_tokens": 3,
        "parameters": {"stop": ["END"], "temperature": 0.5},
        "finish_reason": "stop",
        "user_id": "anna",
        "logged_by": "tracer",
        "input_messages": [
            {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
            {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        ],
        "attributes": {"service.version": "7", "shop.cart": "full", "unheard_of": 1},
    }


@pytest.mark.parametrize(
    "older",
    [
        {"gen_ai.system": "az.ai.openai", "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 2},
        {"gen_ai.system": "azure.ai.openai", "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2},
        {
            "llm.request.type": "chat",
            "gen_ai.provider.name": "azure.ai.openai",
            "gen_ai.system": "what an older name says counts less",
            "gen_ai.usage.prompt_tokens": "7",
            "gen_ai.usage.completion_tokens": "2",
        },
    ],
)
def test_older_names_mean_the_same(older):
    found = only(span(1, {"gen_ai.request.model": "m", **older}))
    assert (found["operation"], found["provider"]) == ("chat", "azure.ai.openai")
    assert (found["input_tokens"], found["output_tokens"]) == (7, 2)
    assert "attributes" not in found


MESSAGES_ELSEWHERE = {
    "span events": (
        {},
        [
            event("gen_ai.user.message", {"content": "hi"}),
            event("gen_ai.choice", {"finish_reason": "stop", "message": json.dumps({"content": "ho"})}),
        ],
    ),
    "span events with their body in one attribute": (
        {},
        [
            event("gen_ai.user.message", {"gen_ai.event.content": json.dumps({"role": "user", "content": "hi"})}),
            event(
                "gen_ai.choice",
                {"gen_ai.event.content": json.dumps({"finish_reason": "stop", "message": {"content": "ho"}})},
            ),
        ],
    ),
    "prompt and completion events": (
        {},
        [
            event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps([{"role": "user", "content": "hi"}])}),
            event(
                "gen_ai.content.completion",
                {"gen_ai.completion": json.dumps([{"content": "ho", "finish_reason": "stop"}])},
            ),
        ],
    ),
    "numbered attributes": (
        {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "hi",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "ho",
            "gen_ai.completion.0.finish_reason": "stop",
        },
        [],
    ),
}


@pytest.mark.parametrize("way", MESSAGES_ELSEWHERE)
def test_older_ways_to_tell_messages(way):
    said, events = MESSAGES_ELSEWHERE[way]
    found = only(span(1, {**CHAT, **said}, events=events))
    assert found["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    assert found["output_messages"] == [
        {"role": "assistant", "parts": [{"type": "text", "content": "ho"}], "finish_reason": "stop"}
    ]
    assert found["finish_reason"] == "stop"
    assert "attributes" not in found


def test_tool_calls_are_parts():
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    asked = [{"role": "tool", "tool_call_id": "t1", "content": "seen"}]
    answered = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    said = {"gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps(answered)}
    flat = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m",
        "llm.input_messages.0.message.role": "tool",
        "llm.input_messages.0.message.tool_call_id": "t1",
        "llm.input_messages.0.message.content": "seen",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "t1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"at": 1}',
    }
    for found in (only(span(1, {**CHAT, **said})), only(span(1, flat))):
        (response,) = found["input_messages"][0]["parts"]
        (called,) = found["output_messages"][0]["parts"]
        assert response == {"type": "tool_call_response", "id": "t1", "response": "seen"}
        assert called == {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": 1}}


RETRIEVERS = {
    "genai": {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "docs",
        "gen_ai.retrieval.query.text": "why?",
        "gen_ai.retrieval.documents": json.dumps([{"id": "c1", "score": 0.5, "content": "because"}, {"id": "c2"}]),
    },
    "openinference": {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "why?",
        "retrieval.documents.0.document.id": "c1",
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.content": "because",
        "retrieval.documents.0.document.metadata": '{"page": 3}',
        "retrieval.documents.1.document.id": "c2",
    },
}
RETRIEVED = [{"chunk_id": "c1", "score": 0.5, "text": "because"}, {"chunk_id": "c2", "score": None, "text": None}]


@pytest.mark.parametrize("convention", RETRIEVERS)
def test_what_was_retrieved_lies_in_the_step_and_in_the_answer_of_its_trace(convention):
    found = convert(
        span(1, RETRIEVERS[convention], parentSpanId=f"{9:016x}"),
        span(2, CHAT),
        span(3, CHAT),
        span(4, {**CHAT, "error.type": "timeout"}),
        span(5, {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e"}),
        span(6, CHAT, traceId="f" * 32),
    )
    calls = {each["inference_id"]: each for kind, each in found.events if kind == "inferences"}
    assert [int(name, 16) for name, call in calls.items() if "retrieved" in call] == [3]
    assert calls[f"{3:016x}"]["retrieved"] == RETRIEVED
    (step,) = [each for kind, each in found.events if kind == "steps"]
    assert step == {
        "step_id": f"{1:016x}",
        "trace_id": TRACE,
        "parent_id": f"{9:016x}",
        "started_at": "2026-03-10T12:00:01.000000Z",
        "latency_ms": 250.0,
        "product": "shop",
        "operation": "retriever",
        "name": "docs" if convention == "genai" else "span 1",
        "query": "why?",
        "retrieved": RETRIEVED,
    }


def test_a_reranker_has_the_last_word():
    reranked = {
        "openinference.span.kind": "RERANKER",
        "reranker.query": "why?",
        "reranker.output_documents.0.document.id": "c2",
        "reranker.input_documents.0.document.id": "c1",
    }
    found = convert(span(1, RETRIEVERS["openinference"]), span(2, reranked), span(3, CHAT))
    assert found.events[0][1]["retrieved"] == [{"chunk_id": "c2", "score": None, "text": None}]


@pytest.mark.parametrize(
    ("said", "operation", "query", "result"),
    [
        (
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.arguments": "{}"},
            *("tool", "{}", None),
        ),
        (
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "guide",
                "gen_ai.usage.input_tokens": 99,
                "gen_ai.input.messages": '[{"role": "user", "content": "go"}]',
            },
            *("pipeline", "go", None),
        ),
        (
            {"openinference.span.kind": "CHAIN", "input.value": "go", "output.value": '{"done": true}'},
            *("pipeline", "go", {"done": True}),
        ),
        (
            {"openinference.span.kind": "TOOL", "tool.name": "look", "input.value": "here", "output.value": "seen"},
            *("tool", "here", "seen"),
        ),
        ({"traceloop.span.kind": "workflow", "traceloop.entity.name": "w"}, "pipeline", None, None),
    ],
)
def test_tools_agents_and_chains_are_steps(said, operation, query, result):
    found = convert(span(1, said))
    ((kind, step),) = found.events
    assert (kind, step["operation"], step.get("query"), step.get("result")) == ("steps", operation, query, result)
    assert "usage" not in json.dumps(step)


def test_an_unknown_operation_that_used_tokens_is_a_call_and_any_other_is_counted():
    used = {"gen_ai.operation.name": "paint", "gen_ai.usage.output_tokens": 3}
    found = convert(span(1, used), span(2, {"gen_ai.operation.name": "listen"}), span(3, {"http.route": "/"}))
    assert [(each["operation"], each["output_tokens"]) for _, each in found.events] == [("paint", 3)]
    assert found.other == {"gen_ai other": 1, "span": 1}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"attributes": attributes({**CHAT, "error.type": "<class 'openai.RateLimitError'>"})}, "RateLimitError"),
        ({"status": {"code": 2}}, "error"),
        (
            {"status": {"code": 2}, "events": [event("exception", {"exception.type": "httpx.ReadTimeout"})]},
            "ReadTimeout",
        ),
        ({"status": {"code": 1}}, None),
    ],
)
def test_what_failed_is_named_as_its_exception(said, error):
    assert only({**span(1, CHAT), **said}).get("error_type") == error


def test_an_evaluation_on_a_call_is_feedback_on_the_call():
    said = {
        "gen_ai.evaluation.name": "Relevance",
        "gen_ai.evaluation.score.value": 0.25,
        "gen_ai.evaluation.score.label": "so so",
        "gen_ai.evaluation.explanation": "it wanders",
        "canonry.score.worst": 0,
        "canonry.score.best": 1,
    }
    twice = [convert(span(1, CHAT, events=[event("gen_ai.evaluation.result", said)])) for _ in range(2)]
    ((_, given),) = [each for each in twice[0].events if each[0] == "feedback"]
    identifier = given["feedback_id"]
    assert given == {
        "feedback_id": identifier,
        "inference_id": f"{1:016x}",
        "trace_id": TRACE,
        "given_at": "2026-03-10T12:00:09.000000Z",
        "origin": "implicit",
        "signal": "Relevance",
        "value": -0.5,
        "comment": "it wanders",
        "attributes": {
            "gen_ai.evaluation.name": "Relevance",
            "gen_ai.evaluation.score.value": 0.25,
            "gen_ai.evaluation.score.label": "so so",
            "canonry.score.worst": 0,
            "canonry.score.best": 1,
        },
    }
    assert twice[0] == twice[1]
    other = convert(span(1, CHAT, events=[event("gen_ai.evaluation.result", {**said, "x": 1})]))
    assert other.events[1][1]["feedback_id"] != identifier


def test_an_evaluation_on_another_span_is_feedback_on_its_trace():
    said = {"gen_ai.evaluation.name": "thumb", "gen_ai.evaluation.score.label": "pass", "canonry.origin": "user"}
    found = convert(span(1, {"http.route": "/"}, events=[event("gen_ai.evaluation.result", said)]))
    ((_, given),) = found.events
    assert (given["trace_id"], given.get("inference_id"), given["origin"]) == (TRACE, None, "user")
    assert given["value"] == 1


def test_one_wrong_span_costs_no_other():
    found = otlp.convert(
        body(
            span(1, CHAT, traceId="xyz"),
            span(2, CHAT),
            span(3, CHAT, spanId="00" * 8),
            span(4, CHAT, startTimeUnixNano="0"),
        ),
        "application/json",
    )
    assert [each["span_id"] for _, each in found.events] == [f"{2:016x}"]
    assert [(position, reason.partition(":")[0]) for position, reason, _ in found.rejected] == [
        (0, "trace_id"),
        (2, "span_id"),
        (3, "start_time_unix_nano"),
    ]
    assert all(json.loads(raw)["name"] for _, _, raw in found.rejected)


def test_a_span_of_no_product_is_rejected_and_says_what_to_do():
    found = otlp.convert(body(span(1, CHAT), resource={}), "application/json")
    assert found.events == ()
    assert "OTEL_SERVICE_NAME" in found.rejected[0][1]
    assert only(span(1, {**CHAT, "canonry.product": "desk"}))["product"] == "desk"


@pytest.mark.parametrize(
    ("data", "content_type", "said"),
    [
        (b"\xff\xff\xff", "application/x-protobuf", "ExportTraceServiceRequest"),
        (b"{", "application/json", "JSONDecodeError"),
        (b"[]", "application/json", "expected a JSON object"),
        (b'{"resourceSpans": 3}', "application/json", "ExportTraceServiceRequest"),
        (b"[" * 100_000, "application/json", "ExportTraceServiceRequest"),
        (b"{}", "text/plain", "send application/x-protobuf or application/json"),
        (b"", "", "content type 'none'"),
    ],
)
def test_a_body_that_is_none_is_refused(data, content_type, said):
    with pytest.raises(FormatError, match=said):
        otlp.convert(data, content_type)


def test_a_span_with_odd_values_is_still_read():
    deep: Any = "x"
    for _ in range(30):
        deep = {"a": deep}
    found = only(
        span(
            1,
            {
                **CHAT,
                "gen_ai.usage.input_tokens": "many",
                "gen_ai.usage.output_tokens": 2.5,
                "gen_ai.input.messages": "{not json",
                "gen_ai.response.finish_reasons": [],
                "deep": deep,
                "llm.input_messages.x.y": 1,
            },
            endTimeUnixNano="1",
            links=[{"traceId": "zz", "spanId": 3}],
        )
    )
    assert not found.keys() & {"input_tokens", "output_tokens", "finish_reason", "latency_ms"}
    assert found["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": "{not json"}]}]
