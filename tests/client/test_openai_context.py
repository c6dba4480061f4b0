"""Which calls of a wrapped OpenAI client are logged, with which context, and whose mistakes reach nobody."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from canonry.client import current_call, event_fields, last_inference_id, wrap_openai
from tests import openai_stand_in
from tests.client.openai_calls import (
    ANSWER,
    ASKED,
    STREAM,
    USAGE,
    Kept,
    base_url,
    check_chat,
    client,
    log,
    only,
    text_of,
)
from tests.service import making_calls
from tests.service.test_real_exporters import COMPARED, native

__all__ = ["base_url", "client", "log"]


def test_copies_are_logged_and_nothing_is_logged_twice(client: openai.OpenAI, log: Kept) -> None:
    wrap_openai(client, log=log, feature="ask")
    client.with_options(timeout=5).chat.completions.create(model="small", messages=ASKED, temperature=0.5)
    check_chat(only(log), streamed=False)


def test_what_is_no_inference_is_not_logged(client: openai.OpenAI, log: Kept) -> None:
    with pytest.raises(openai.APIError):
        client.files.delete("file-1")
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="x")
    assert log.events == []


def test_messages_stay_away_when_content_is_off(base_url: str, log: Kept) -> None:
    client = wrap_openai(openai.OpenAI(base_url=base_url, api_key="x"), log=log, content=False)
    client.chat.completions.create(model="small", messages=ASKED, user="jane")
    text_of(client.chat.completions.create(**STREAM))
    assert not any(word in json.dumps(log.events) for word in ("reset", "jane"))
    assert [event["output_tokens"] for event in log.events] == [7, 7]


def test_fields_of_the_context_are_those_of_the_call(client: openai.OpenAI, log: Kept) -> None:
    with event_fields(session_id="s-17", feature="other"):
        stream = client.chat.completions.create(**STREAM)
    text_of(stream)
    assert (only(log)["session_id"], only(log)["feature"]) == ("s-17", "other")


def test_a_stream_that_ends_in_the_context_of_somebody_else_keeps_its_own(client: openai.OpenAI, log: Kept) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    stream = client.chat.completions.create(**STREAM)
    next(stream)
    with event_fields(session_id="of somebody else"), TracerProvider().get_tracer("test").start_as_current_span("ask"):
        theirs = log.log_inference()
        stream.close()
        assert last_inference_id() == theirs
    assert log.events[0]["session_id"] == "of somebody else"
    assert log.events[1]["response_model"] == "small-2026-01-01"
    assert not {"session_id", "trace_id"} & set(log.events[1])


@pytest.mark.parametrize("place", ["request_fields", "answer_fields", "new_id", "Listener"])
def test_a_mistake_in_logging_never_reaches_the_caller(
    place: str, client: openai.OpenAI, log: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(f"canonry.client._openai_call.{place}", wrong)
    answer = client.chat.completions.create(model="small", messages=ASKED)
    assert answer.choices[0].message.content == ANSWER
    assert text_of(client.chat.completions.create(**STREAM)) == ANSWER


def test_the_same_calls_give_the_same_fields_as_other_formats(log: Kept) -> None:
    with openai_stand_in.serving() as url:
        made = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
        client = wrap_openai(made, log=log, product=making_calls.PRODUCT, environment=making_calls.ENVIRONMENT)
        client.chat.completions.create(**making_calls.CHAT)
        list(client.chat.completions.create(**making_calls.STREAMED, stream=True, stream_options=USAGE))
        client.embeddings.create(**making_calls.EMBEDDED)  # type: ignore[arg-type]
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**making_calls.LIMITED)
    compared = [{field: event.get(field) for field in COMPARED} for event in log.events]
    assert compared == [{field: event.get(field) for field in COMPARED} for event in native()]


def test_what_is_no_client_is_said_at_once(client: openai.OpenAI) -> None:
    with pytest.raises(TypeError, match="found Chat"):
        wrap_openai(client.chat)


def test_inference_and_the_wrapped_client_go_together(client: openai.OpenAI, log: Kept) -> None:
    with log.inference(operation="pipeline") as call:
        assert current_call() is call
        client.chat.completions.create(model="small", messages=ASKED)
    assert [event["operation"] for event in log.events] == ["chat", "pipeline"]


@pytest.mark.parametrize("place", ["request_fields", "answer_fields", "document_of", "Listener"])
def test_a_call_is_logged_with_the_facts_known_when_the_others_cannot_be_read(
    place: str, client: openai.OpenAI, log: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(f"canonry.client._openai_call.{place}", wrong)
    client.chat.completions.create(model="small", messages=ASKED)
    text_of(client.chat.completions.create(**STREAM))
    assert [(event["operation"], event["feature"]) for event in log.events] == [("chat", "ask")] * 2
    assert all(event["latency_ms"] > 0 for event in log.events)
