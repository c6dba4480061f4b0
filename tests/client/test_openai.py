"""An OpenAI client that is wrapped answers, streams and raises as it did, and every call of it is logged."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import openai
import pytest

from canonry.client import last_inference_id, wrap_openai
from tests.client.openai_calls import (
    ANSWER,
    ASKED,
    STREAM,
    Kept,
    base_url,
    check_chat,
    client,
    log,
    only,
    text_of,
)

__all__ = ["base_url", "client", "log"]


@pytest.fixture
def async_client(base_url: str, log: Kept) -> openai.AsyncOpenAI:
    return wrap_openai(openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0), log=log, feature="ask")


def test_a_completion_is_given_as_it_was_and_logged(client: openai.OpenAI, log: Kept) -> None:
    answer = client.chat.completions.create(model="small", messages=ASKED, temperature=0.5)
    assert type(answer) is openai.types.chat.ChatCompletion
    assert answer.choices[0].message.content == ANSWER
    assert only(log)["provider_response_id"] == answer.id
    assert last_inference_id() == only(log)["inference_id"]
    check_chat(only(log), streamed=False)


def test_a_stream_is_given_as_it_was_and_logged_when_it_has_ended(client: openai.OpenAI, log: Kept) -> None:
    stream = client.chat.completions.create(**STREAM)
    assert type(stream) is openai.Stream
    begun = last_inference_id()
    assert log.events == []
    assert text_of(stream) == ANSWER
    check_chat(only(log), streamed=True)
    assert only(log)["inference_id"] == begun


def stream_in_context(client: openai.OpenAI) -> str:
    with client.chat.completions.create(**STREAM) as stream:
        return text_of(stream)


def stream_by_helper(client: openai.OpenAI) -> str:
    asked = {name: value for name, value in STREAM.items() if name != "stream"}
    with client.chat.completions.stream(**asked) as stream:
        return stream.get_final_completion().choices[0].message.content or ""


def stream_raw(client: openai.OpenAI) -> str:
    raw = client.chat.completions.with_raw_response.create(**STREAM)
    assert raw.headers["content-type"] == "text/event-stream"
    return text_of(raw.parse())


def stream_of_lines(client: openai.OpenAI) -> str:
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        documents = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]
    return "".join(each["choices"][0]["delta"].get("content", "") for each in documents if each["choices"])


def stream_parsed(client: openai.OpenAI) -> str:
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        return text_of(response.parse())


@pytest.mark.parametrize("use", [stream_in_context, stream_by_helper, stream_raw, stream_of_lines, stream_parsed])
def test_every_way_of_reading_a_stream_is_logged_once(
    use: Callable[[openai.OpenAI], str], client: openai.OpenAI, log: Kept
) -> None:
    assert use(client) == ANSWER
    check_chat(only(log), streamed=True)


def test_raw_responses_are_logged(client: openai.OpenAI, log: Kept) -> None:
    asked: dict[str, Any] = {"model": "small", "messages": ASKED, "temperature": 0.5}
    raw = client.chat.completions.with_raw_response.create(**asked)
    assert raw.status_code == 200
    assert raw.parse().choices[0].message.content == ANSWER
    with client.chat.completions.with_streaming_response.create(**asked) as response:
        assert log.events[1:] == []
        assert response.json()["choices"][0]["message"]["content"] == ANSWER  # type: ignore[index]
    assert len(log.events) == 2
    for event in log.events:
        check_chat(event, streamed=False)


def test_a_stream_nobody_closes_is_logged_when_it_is_gone(client: openai.OpenAI, log: Kept) -> None:
    stream = client.chat.completions.create(**STREAM)
    next(stream)
    del stream
    gc.collect()
    assert only(log)["response_model"] == "small-2026-01-01"


def test_a_stream_that_has_ended_is_freed_at_once(client: openai.OpenAI, log: Kept) -> None:
    with client.chat.completions.with_streaming_response.create(**STREAM) as answer:
        assert "[DONE]" in answer.text()
        assert log.events
        assert not {"iter_bytes", "aiter_bytes", "close", "aclose"} & set(vars(answer.http_response))
    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(answer.http_response)
        del answer
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("model", "error"), [("broken", openai.InternalServerError), ("limited", openai.RateLimitError)]
)
def test_an_error_is_raised_as_it_was_and_logged(
    model: str, error: type[Exception], client: openai.OpenAI, log: Kept
) -> None:
    with pytest.raises(error):
        client.chat.completions.create(model=model, messages=ASKED)
    assert only(log)["error_type"] == error.__name__
    assert only(log)["request_model"] == model


def test_embeddings_are_logged_without_their_texts_and_vectors(client: openai.OpenAI, log: Kept) -> None:
    answer = client.embeddings.create(model="vectors", input=["one two", "three"])
    assert len(answer.data) == 2
    event = only(log)
    assert (event["operation"], event["input_tokens"], event["response_model"]) == ("embeddings", 3, "vectors")
    assert "input_messages" not in event
    assert "output_messages" not in event


def test_an_async_client_is_logged_as_a_sync_one(async_client: openai.AsyncOpenAI, log: Kept) -> None:
    async def use() -> list[str]:
        answer = await async_client.chat.completions.create(model="small", messages=ASKED, temperature=0.5)
        said = [answer.choices[0].message.content or ""]
        assert last_inference_id() == log.events[-1]["inference_id"]
        stream = await async_client.chat.completions.create(**STREAM)
        assert type(stream) is openai.AsyncStream
        said.append("".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]))
        async with async_client.chat.completions.with_streaming_response.create(**STREAM) as response:
            parsed = await response.parse()
            said.append("".join([chunk.choices[0].delta.content or "" async for chunk in parsed if chunk.choices]))
        raw = await async_client.chat.completions.with_raw_response.create(
            model="small", messages=ASKED, temperature=0.5
        )
        said.append(raw.parse().choices[0].message.content or "")
        with pytest.raises(openai.InternalServerError):
            await async_client.chat.completions.create(model="broken", messages=ASKED)
        await async_client.close()
        return said

    assert asyncio.run(use()) == [ANSWER] * 4
    assert log.events.pop()["error_type"] == "InternalServerError"
    for event, streamed in zip(log.events, (False, True, True, False), strict=True):
        check_chat(event, streamed=streamed)


def test_a_stream_whose_task_is_cancelled_is_logged(async_client: openai.AsyncOpenAI, log: Kept) -> None:
    async def use() -> None:
        stream = await async_client.chat.completions.create(**STREAM)
        await anext(stream)
        task = asyncio.ensure_future(_forever(stream))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.close()

    async def _forever(stream: Any) -> None:
        async for _ in stream:
            await asyncio.sleep(60)

    asyncio.run(use())
    assert only(log)["response_model"] == "small-2026-01-01"
