"""A LiteLLM proxy's log as events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canonry.service.formats import FormatError, TooMany, litellm


def payload(number: int = 1, **more: Any) -> dict[str, Any]:
    """What LiteLLM 1.108 logs of a call, shortened."""
    return {
        "id": f"chatcmpl-{number}",
        "litellm_call_id": f"call-{number}",
        "trace_id": "ef742e73-d961-4410-a7a7-4329bd122b00",
        "session_id": "",
        "call_type": "acompletion",
        "cache_hit": None,
        "status": "success",
        "custom_llm_provider": "openai",
        "startTime": 1773144000.25,
        "endTime": 1773144000.75,
        "completionStartTime": 1773144000.5,
        "model": "openai/gpt-4o-mini",
        "model_group": "fast",
        "model_map_information": {"model_map_key": "gpt-4o-mini", "model_map_value": {"max_tokens": 1}},
        "metadata": {
            "user_api_key_hash": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
            "user_api_key_alias": "docs-site",
            "user_api_key_end_user_id": "anna",
            "user_api_key_user_email": "anna@example.org",
            "requester_ip_address": "203.0.113.9",
            "requester_metadata": {
                "feature": "help",
                "headers": {"user-agent": "curl", "x-forwarded-for": "203.0.113.9"},
            },
            "usage_object": {
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
        "response_cost": 1.35e-05,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "request_tags": ["User-Agent: OpenAI", "beta"],
        "end_user": "anna",
        "requester_ip_address": "203.0.113.9",
        "user_agent": "curl",
        "api_base": "http://10.0.0.7:4000/v1",
        "messages": [{"role": "user", "content": "hello"}],
        "response": {
            "id": f"chatcmpl-{number}",
            "model": "fast",
            "choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "hi"}}],
        },
        "model_parameters": {"temperature": 0.1, "stream": False, "user": "anna"},
        "hidden_params": {"additional_headers": {"x-litellm-attempted-retries": 1}},
        "error_information": {"error_class": "", "error_code": ""},
        **more,
    }


def only(document: Any) -> dict[str, Any]:
    ((kind, found),) = litellm.convert(json.dumps(document).encode(), "").events
    assert kind == "inferences"
    return dict(found)


def test_a_call():
    assert only(payload()) == {
        "inference_id": "call-1",
        "provider_response_id": "chatcmpl-1",
        "started_at": "2026-03-10T12:00:00.250000Z",
        "latency_ms": 500.0,
        "product": "docs-site",
        "feature": "help",
        "operation": "chat",
        "provider": "openai",
        "request_model": "fast",
        "response_model": "gpt-4o-mini",
        "parameters": {"temperature": 0.1},
        "attempt": 2,
        "input_tokens": 10,
        "cache_read_tokens": 4,
        "output_tokens": 20,
        "reasoning_tokens": 2,
        "finish_reason": "stop",
        "cache_hit": False,
        "user_id": "anna",
        "logged_by": "litellm",
        "input_messages": [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}],
        "output_messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
        ],
        "attributes": {
            "response_cost": 1.35e-05,
            "model_group": "fast",
            "status": "success",
            "user_api_key_alias": "docs-site",
            "request_tags": ["beta"],
            "litellm_trace_id": "ef742e73-d961-4410-a7a7-4329bd122b00",
        },
    }


def test_no_address_agent_key_or_price_list_is_kept():
    kept = json.dumps({name: value for name, value in only(payload()).items() if name != "user_id"})
    for secret in ("203.0.113.9", "curl", "10.0.0.7", "88dc28d0", "anna", "max_tokens"):
        assert secret not in kept


def test_one_object_an_array_and_lines_are_the_same():
    several = [payload(number) for number in range(3)]
    array = litellm.convert(json.dumps(several).encode(), "application/json")
    lines = litellm.convert("\n".join(map(json.dumps, several)).encode() + b"\n\n", "application/x-ndjson")
    assert array == lines
    assert [event["inference_id"] for _, event in array.events] == ["call-0", "call-1", "call-2"]
    assert only(several[1]) == array.events[1][1]


def test_a_cached_answer_is_a_call_of_its_own_with_the_providers_id_of_the_first():
    found = only(payload(2, cache_hit=True, id="chatcmpl-1_cache_hit1.5", response={"id": "chatcmpl-1"}))
    assert (found["inference_id"], found["provider_response_id"], found["cache_hit"]) == ("call-2", "chatcmpl-1", True)


def test_a_streamed_answer_tells_its_first_token():
    assert only(payload(model_parameters={"stream": True}))["time_to_first_token_ms"] == 250.0


def test_an_attempt_that_failed_before_another_answered_is_an_event_of_its_own():
    attempt = payload(status="failure", response={}, error_information={"error_class": "Timeout"})
    answered = payload(startTime=1773144000.5)
    ids = [only(each)["inference_id"] for each in (attempt, answered)]
    assert ids == ["call-1-failed-1773144000250000", "call-1"]
    assert attempt["litellm_call_id"] == answered["litellm_call_id"] == "call-1"


def test_a_failure_has_no_tokens_and_no_answering_model():
    told = {"error_class": "RateLimitError", "error_code": "429"}
    failed = payload(status="failure", response={}, error_information=told, prompt_tokens=0, completion_tokens=0)
    found = only(failed)
    assert (found["error_type"], found["attributes"]["error_code"]) == ("RateLimitError", "429")
    assert not found.keys() & {"input_tokens", "output_tokens", "response_model", "output_messages"}


@pytest.mark.parametrize(
    ("call_type", "operation"),
    [
        *(("completion", "chat"), ("aembedding", "embeddings"), ("atext_completion", "text_completion")),
        *(("aresponses", "chat"), ("anthropic_messages", "chat"), ("aspeech", "aspeech")),
    ],
)
def test_call_types_are_operations(call_type, operation):
    assert only(payload(call_type=call_type))["operation"] == operation


def test_the_trace_of_the_product_counts_where_its_client_propagates_it():
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert only(payload(metadata={"requester_metadata": {"headers": headers}}))["trace_id"] == trace


def test_a_product_names_itself_in_the_request_before_its_key_does():
    found = only(payload(metadata={"requester_metadata": {"canonry.product": "desk"}, "user_api_key_alias": "key"}))
    assert found["product"] == "desk"
    assert only(payload(metadata={}))["product"] == "litellm"


def test_text_that_litellm_was_told_not_to_log_is_not_taken_for_text():
    withheld = {"role": "user", "content": "redacted-by-litellm"}
    response = {"id": "r", "choices": [{"message": {"role": "assistant", "content": "redacted-by-litellm"}}]}
    found = only(payload(messages=[withheld], response=response))
    assert not found.keys() & {"input_messages", "output_messages"}


def test_a_wrong_item_costs_no_other():
    body = "\n".join([json.dumps(payload(1)), "{broken", "3", '{"id": "no call id"}', json.dumps(payload(2))])
    found = litellm.convert(body.encode(), "")
    assert [event["inference_id"] for _, event in found.events] == ["call-1", "call-2"]
    assert [(at, reason.partition(":")[0]) for at, reason, _ in found.rejected] == [
        (1, "event"),
        (2, "event"),
        (3, "litellm_call_id"),
    ]
    assert found.rejected[0][2] == b"{broken"
    assert litellm.convert(json.dumps(payload(startTime="noon")).encode(), "").rejected[0][1].startswith("startTime")


def test_an_item_that_is_nested_too_deeply_costs_no_other():
    deep: dict[str, Any] = {"content": "x"}
    for _ in range(600):
        deep = {"content": deep}
    body = json.dumps(payload(1)) + "\n" + json.dumps(payload(2, messages=deep))
    found = litellm.convert(body.encode(), "")
    assert [event["inference_id"] for _, event in found.events] == ["call-1"]
    assert [(at, reason) for at, reason, _ in found.rejected] == [(1, "event: cannot be read: RecursionError")]


def test_a_body_of_items_that_cannot_be_written_again_is_kept_once():
    deep = b'{"content":' * 600 + b"1" + b"}" * 600
    body = (
        b"["
        + b",".join(b'{"litellm_call_id":"a","startTime":1773144000,"messages":%b}' % deep for _ in range(3))
        + b"]"
    )
    found = litellm.convert(body, "")
    assert [raw for _, _, raw in found.rejected] == [body, b"", b""]


def test_a_torn_line_among_lines_that_are_no_payload_is_kept():
    found = litellm.convert(b'{"id": "none"}\n{broken', "")
    assert (len(found.events), [raw for _, _, raw in found.rejected]) == (0, [b'{"id":"none"}', b"{broken"])


def test_more_than_a_body_may_hold_is_refused():
    with pytest.raises(TooMany, match="at most 10,000"):
        litellm.convert(b"[" + b"1," * 10_000 + b"1]", "")


@pytest.mark.parametrize("body", [b"no json", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_none_is_refused(body):
    with pytest.raises(FormatError, match="StandardLoggingPayload"):
        litellm.convert(body, "")


def test_nothing_is_nothing():
    assert litellm.convert(b"", "").events == litellm.convert(b"[]", "").events == ()
