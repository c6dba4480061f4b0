"""Text lies apart from facts: what was said becomes messages, or is dropped, and never stays among the attributes."""

from __future__ import annotations

import json

import pytest

from canonry.events import EVENT_TYPES
from tests.service.spans import CHAT, convert, event, only, span

SAID = "my mother's maiden name"
MESSAGES = json.dumps([{"role": "user", "content": [{"type": "text", "text": SAID}]}])
VERCEL = {
    "operation.name": "ai.generateText.doGenerate answer",
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.model.provider": "openai.responses",
    "ai.model.id": "gpt-x",
    "ai.settings.maxRetries": 2,
    "ai.telemetry.functionId": "answer",
    "ai.telemetry.metadata.sessionId": "s-1",
    "ai.telemetry.metadata.userId": "anna",
    "ai.request.headers.x-api-key": SAID,
    "ai.prompt.messages": MESSAGES,
    "ai.prompt.tools": [json.dumps({"name": "look", "description": SAID})],
    "ai.response.finishReason": "tool-calls",
    "ai.response.text": json.dumps({"said": SAID}),
    "ai.response.toolCalls": json.dumps([{"toolCallId": "t1", "toolName": "look", "input": {"at": SAID}}]),
    "ai.response.providerMetadata": json.dumps({"x": SAID}),
    "ai.response.id": "r-1",
    "ai.response.model": "gpt-x-2026",
    "ai.response.msToFirstChunk": 125.5,
    "ai.usage.inputTokens": 10,
    "ai.usage.cachedInputTokens": 4,
    "ai.usage.outputTokens": 5,
    "ai.usage.reasoningTokens": 3,
    "ai.usage.totalTokens": 15,
}


def facts(found) -> str:
    """All of an event but its contents."""
    contents = {field.name for each in EVENT_TYPES.values() for field in each.contents}
    return json.dumps({name: value for name, value in found.items() if name not in contents})


def test_a_call_of_vercels_sdk_is_read_like_any_other():
    found = only(span(1, VERCEL))
    assert found["input_messages"] == [{"role": "user", "parts": [{"type": "text", "content": SAID}]}]
    answer, call = found["output_messages"][0]["parts"]
    assert answer == {"type": "text", "content": json.dumps({"said": SAID})}
    assert call == {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": SAID}}
    names = ("operation", "provider", "request_model", "response_model", "provider_response_id", "finish_reason")
    assert [found[name] for name in names] == ["chat", "openai", "gpt-x", "gpt-x-2026", "r-1", "tool-calls"]
    tokens = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
    assert [found[name] for name in tokens] == [10, 4, 5, 3]
    assert (found["session_id"], found["user_id"], found["time_to_first_token_ms"]) == ("s-1", "anna", 125.5)
    assert SAID not in facts(found)
    assert found["attributes"] == {
        "operation.name": "ai.generateText.doGenerate answer",
        "ai.settings.maxRetries": 2,
        "ai.telemetry.functionId": "answer",
        "ai.usage.totalTokens": 15,
    }


def test_what_both_conventions_say_of_a_call_is_said_once():
    both = {**VERCEL, "gen_ai.system": "openai.chat", "gen_ai.request.model": "gpt-x", "gen_ai.usage.input_tokens": 10}
    found = only(span(1, both))
    assert (found["provider"], found["input_tokens"], found["request_model"]) == ("openai", 10, "gpt-x")
    older = {"ai.operationId": "ai.streamText.doStream", "ai.usage.promptTokens": 7, "ai.usage.completionTokens": 2}
    older |= {"ai.finishReason": "stop", "ai.result.text": SAID, "ai.stream.msToFirstChunk": 3}
    found = only(span(1, older))
    assert (found["input_tokens"], found["output_tokens"], found["finish_reason"]) == (7, 2, "stop")
    assert found["output_messages"][0]["parts"] == [{"type": "text", "content": SAID}]
    assert (found["time_to_first_token_ms"], "attributes" in found) == (3, False)


def test_vercels_outer_spans_are_steps_and_charge_nothing():
    outer = {
        **VERCEL,
        "ai.operationId": "ai.generateText",
        "ai.prompt": json.dumps({"prompt": SAID}),
    }
    tool = {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "look", "ai.toolCall.id": "t1"}
    tool |= {"ai.toolCall.args": json.dumps({"at": SAID}), "ai.toolCall.result": json.dumps({"seen": SAID})}
    new = {**VERCEL, "ai.operationId": "ai.unheardOf"}
    found = convert(span(1, outer), span(2, tool), span(3, new))
    assert [kind for kind, _ in found.events] == ["steps"] * 3
    whole, called, unheard = [each for _, each in found.events]
    assert (whole["operation"], whole["name"]) == ("pipeline", "answer")
    assert SAID in whole["query"] and SAID in json.dumps(whole["result"])
    assert (called["operation"], called["name"], called["attributes"]) == ("tool", "look", {"ai.toolCall.id": "t1"})
    assert (called["query"], called["result"]) == (json.dumps({"at": SAID}), {"seen": SAID})
    for step in (whole, called, unheard):
        assert SAID not in facts(step)


def test_texts_that_vercels_sdk_embeds_are_messages_and_vectors_are_not_kept():
    embedded = {
        "ai.operationId": "ai.embedMany.doEmbed",
        "ai.model.provider": "azure-openai.embeddings",
        "ai.model.id": "e",
        "ai.values": [json.dumps(SAID), "not json"],
        "ai.embeddings": ["[0.25, 0.5]", "[0.75, 1]"],
        "ai.usage.tokens": 6,
    }
    found = only(span(1, embedded))
    texts = [part["content"] for message in found["input_messages"] for part in message["parts"]]
    assert (found["operation"], found["input_tokens"], texts) == ("embeddings", 6, [SAID, "not json"])
    assert found["provider"] == "azure.ai.openai"
    assert "0.25" not in json.dumps(found) and "attributes" not in found


NAMED = {
    "langfuse.observation.input": SAID,
    "mlflow.spanOutputs": json.dumps({"a": SAID}),
    "final_result": SAID,
    "all_messages_events": [SAID],
    "shop.questions": {"first": SAID},
    "canonry.user_query": SAID,
    "db.query.text": SAID,
}
FACTS = {
    "shop.cart": "full",
    "prompt_version": "7",
    "output.count": 3,
    "request.cached": True,
    "http.request.method": "POST",
    "gen_ai.output.type": "json",
    "openai.response.id": "r",
}


@pytest.mark.parametrize(
    "said",
    [
        CHAT,
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "CHAIN"},
        {"openinference.span.kind": "TOOL", "ai.toolCall.args": SAID},
        {"openinference.span.kind": "LLM", "ai.prompt.messages": SAID, "ai.value": SAID},
    ],
)
def test_an_attribute_whose_name_says_that_it_holds_text_is_not_kept_and_facts_are(said):
    found = only(span(1, {**said, **NAMED, **FACTS}))
    assert SAID not in facts(found)
    # OpenInference calls by `output.` what was answered, and nothing else.
    beside = {"output.count"} if "openinference.span.kind" in said else set()
    assert found["attributes"] == {name: value for name, value in FACTS.items() if name not in beside}


def test_text_beside_an_evaluation_is_not_kept_and_its_score_is():
    said = {"gen_ai.evaluation.score.value": "0.25", "gen_ai.input.messages": MESSAGES, "judge.response": SAID}
    found = convert(span(1, CHAT, events=[event("gen_ai.evaluation.result", {**said, "judge.model": "j"})]))
    ((_, given),) = [each for each in found.events if each[0] == "feedback"]
    assert given["attributes"] == {"gen_ai.evaluation.score.value": "0.25", "judge.model": "j"}
