"""An OpenAI client that is wrapped answers, streams and raises as it did, and every call of it is logged."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from canonry.client import EventLog, current_call, event_fields, last_inference_id, wrap_openai
from canonry.client import _event_log as event_log_module
from canonry.client._listener import Listener
from tests import openai_stand_in
from tests.service import making_calls
from tests.service.test_real_exporters import COMPARED, native

ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How do I reset it?"}]
USAGE: Any = {"include_usage": True}
ANSWER = "You said: How do I reset it?"


class Kept(EventLog):
    """A log that keeps what it would send."""

    def __init__(self) -> None:
        super().__init__(home="nowhere", source="test", fields={"product": "docs-site"})
        self.events: list[dict[str, Any]] = []

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        self.events.append(json.loads(event_log_module.line_of(event)))


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with openai_stand_in.serving() as url:
        yield url


@pytest.fixture
def log() -> Kept:
    return Kept()


@pytest.fixture
def client(base_url: str, log: Kept) -> openai.OpenAI:
    made = openai.OpenAI(base_url=base_url, api_key="x", max_retries=0)
    assert wrap_openai(made, log=log, feature="ask") is made
    return made


@pytest.fixture
def async_client(base_url: str, log: Kept) -> openai.AsyncOpenAI:
    return wrap_openai(openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0), log=log, feature="ask")


def only(log: Kept) -> dict[str, Any]:
    [event] = log.events
    return event


def check_chat(event: dict[str, Any], *, streamed: bool) -> None:
    expected = {
        "operation": "chat",
        "provider": "openai",
        "product": "docs-site",
        "feature": "ask",
        "request_model": "small",
        "response_model": "small-2026-01-01",
        "system_fingerprint": "fp_stand_in",
        "service_tier": "default",
        "finish_reason": "stop",
        "input_tokens": 7,
        "cache_read_tokens": 2,
        "output_tokens": 7,
        "reasoning_tokens": 0,
    }
    assert {name: event.get(name) for name in expected} == expected
    assert event["provider_response_id"].startswith("chatcmpl-")
    assert event["parameters"]["temperature"] == 0.5
    assert event["input_messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "How do I reset it?"}]},
    ]
    said = {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}
    assert event["output_messages"] == [said]
    assert event["latency_ms"] > 0
    assert ("time_to_first_token_ms" in event) == streamed
    assert event.get("time_to_first_token_ms", 0) <= event["latency_ms"]


STREAM: dict[str, Any] = {
    "model": "small",
    "messages": ASKED,
    "temperature": 0.5,
    "stream": True,
    "stream_options": {"include_usage": True},
}


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


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


def answering(log: Kept, *bodies: bytes, kind: str = "application/json", fail: bool = False) -> openai.OpenAI:
    """A wrapped client whose every request is answered with these bytes, one piece after the other."""

    def pieces() -> Iterator[bytes]:
        yield from bodies
        if fail:
            raise httpx2.ReadError("cut off")

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=pieces())

    transport = httpx2.Client(transport=httpx2.MockTransport(handle))
    return wrap_openai(openai.OpenAI(api_key="x", http_client=transport, max_retries=0), log=log)


def events(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"event: x\r\ndata: " + json.dumps(each).encode() + b"\r\n\r\n" for each in documents)


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "small-2026-01-01",
    "status": "completed",
    "service_tier": "default",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Thinking."}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Press it.", "annotations": []}],
        },
    ],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    },
}


def check_response(event: dict[str, Any]) -> None:
    expected = {
        "operation": "chat",
        "provider_response_id": "resp_1",
        "response_model": "small-2026-01-01",
        "input_tokens": 9,
        "cache_read_tokens": 4,
        "cache_write_tokens": 1,
        "output_tokens": 5,
        "reasoning_tokens": 3,
        "finish_reason": "stop",
    }
    assert {name: event.get(name) for name in expected} == expected
    assert [message["role"] for message in event["input_messages"]] == ["system", "user"]
    parts = event["output_messages"][0]["parts"]
    assert parts == [{"type": "reasoning", "content": "Thinking."}, {"type": "text", "content": "Press it."}]


def test_a_response_is_logged(log: Kept) -> None:
    client = answering(log, json.dumps(RESPONSE).encode())
    assert client.responses.create(model="small", instructions="Be brief.", input="How?").output_text == "Press it."
    check_response(only(log))


def test_a_streamed_response_is_logged(log: Kept) -> None:
    begun = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    delta = {"type": "response.output_text.delta", "delta": "Press it.", "item_id": "msg_1", "output_index": 1}
    said = events(
        {"type": "response.created", "response": begun, "sequence_number": 0},
        {**delta, "content_index": 0, "sequence_number": 1, "logprobs": []},
        {"type": "response.completed", "response": RESPONSE, "sequence_number": 2},
    )
    # Cut in odd places, as a network does.
    client = answering(log, *(said[at : at + 7] for at in range(0, len(said), 7)), kind="text/event-stream")
    stream = client.responses.create(model="small", instructions="Be brief.", input="How?", stream=True)
    assert [event.type for event in stream][-1] == "response.completed"
    check_response(only(log))
    assert "time_to_first_token_ms" in only(log)


def test_a_long_line_that_comes_in_small_pieces_is_joined_once() -> None:
    """Counted in bytes that are copied to put a piece behind what came before it."""
    copied = 0

    class Piece(bytes):
        def __radd__(self, other: bytes) -> bytes:
            nonlocal copied
            copied += len(other)
            return other + bytes(self)

    said = b'data: {"choices": [{"delta": {"content": "' + b"x" * 100_000 + b'"}}]}\n'
    listener = Listener(events=True)
    for at in range(0, len(said), 100):
        listener.hear(Piece(said[at : at + 100]))
    assert copied == 0
    assert len(listener.document()["choices"][0]["message"]["content"]) == 100_000


def test_tool_calls_of_a_stream_are_put_together(log: Kept) -> None:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}

    def call(index: int, **more: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **more}]}

    said = events(
        chunk(call(0, id="t-1", type="function", function={"name": "find", "arguments": ""})),
        chunk(call(0, function={"arguments": '{"q":'})),
        chunk(call(1, id="t-2", type="function", function={"name": "open", "arguments": "{}"})),
        chunk(call(0, function={"arguments": ' "x"}'})),
        chunk({}, "tool_calls"),
    )
    client = answering(log, said + b"data: [DONE]\n\n", kind="text/event-stream")
    list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
    assert only(log)["finish_reason"] == "tool_calls"
    assert only(log)["output_messages"][0]["parts"] == [
        {"type": "tool_call", "id": "t-1", "name": "find", "arguments": '{"q": "x"}'},
        {"type": "tool_call", "id": "t-2", "name": "open", "arguments": "{}"},
    ]


def test_a_stream_that_breaks_off_raises_as_it_did_and_says_so(log: Kept) -> None:
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = events({**chunk, "choices": [{"index": 0, "delta": {"content": "Press"}, "finish_reason": None}]})
    client = answering(log, said, kind="text/event-stream", fail=True)
    with pytest.raises((openai.APIConnectionError, httpx2.ReadError)):
        list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
    assert only(log)["error_type"] == "ReadError"
    assert only(log)["output_messages"][0]["parts"] == [{"type": "text", "content": "Press"}]


def test_a_stream_that_is_left_early_is_logged_with_what_came(log: Kept) -> None:
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in ("Press", " it.")]
    pieces = [events({**chunk, "choices": [each]}) for each in said]
    client = answering(log, *pieces, kind="text/event-stream")
    with client.chat.completions.create(model="m", messages=ASKED, stream=True) as stream:
        next(stream)
    assert only(log)["output_messages"][0]["parts"] == [{"type": "text", "content": "Press"}]
    assert "error_type" not in only(log)


def test_an_answer_that_is_no_json_is_given_as_it_was(log: Kept) -> None:
    client = answering(log, b"<html>", kind="text/html")
    raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED)
    assert raw.content == b"<html>"
    assert only(log)["request_model"] == "m"


class Step(pydantic.BaseModel):
    do: str


def test_parsed_answers_keep_their_type(log: Kept) -> None:
    message = {"role": "assistant", "content": '{"do": "press"}'}
    answer = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m"}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    client = answering(log, json.dumps(answer).encode())
    found = client.chat.completions.parse(model="m", messages=ASKED, response_format=Step)
    assert found.choices[0].message.parsed == Step(do="press")
    assert only(log)["parameters"]["response_format"] == "json_schema"
    assert only(log)["output_messages"][0]["parts"][0]["content"] == '{"do": "press"}'


class Secretive(pydantic.BaseModel):
    """A type of the product whose serialisers are its own business."""

    do: str

    @pydantic.field_serializer("do")
    def _refuse(self, value: str) -> str:
        raise RuntimeError("serialised")


def test_the_products_own_serialisers_are_not_run(log: Kept) -> None:
    said = '{"do": "press"}'
    text = {"type": "output_text", "text": said, "annotations": []}
    called = {"type": "function_call", "id": "f", "call_id": "c", "name": "Secretive", "arguments": said}
    output = [RESPONSE["output"][0], {**RESPONSE["output"][1], "content": [text]}, {**called, "status": "completed"}]
    client = answering(log, json.dumps({**RESPONSE, "output": output}).encode())
    tool = openai.pydantic_function_tool(Secretive)
    response_tool: Any = {"type": "function", "strict": True, "name": "Secretive", **tool["function"]}
    found = client.responses.parse(model="m", input="How?", text_format=Secretive, tools=[response_tool])
    assert found.output_parsed == Secretive(do="press")
    call = {"id": "t-1", "type": "function", "function": {"name": "Secretive", "arguments": said}}
    message = {"role": "assistant", "content": said, "tool_calls": [call]}
    answer = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m"}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    client = answering(log, json.dumps(answer).encode())
    client.chat.completions.parse(model="m", messages=ASKED, response_format=Secretive, tools=[tool])
    parts = [event["output_messages"][0]["parts"] for event in log.events]
    assert [part["type"] for part in parts[0]] == ["reasoning", "text", "tool_call"]
    assert [part["type"] for part in parts[1]] == ["text", "tool_call"]
    assert [part["arguments"] for part in (parts[0][2], parts[1][1])] == [said, said]


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


def test_what_is_no_client_is_said_at_once(client: openai.OpenAI) -> None:
    with pytest.raises(TypeError, match="found Chat"):
        wrap_openai(client.chat)


def test_pictures_are_left_out(log: Kept) -> None:
    client = answering(log, b"{}")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}}
    asked: Any = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
    client.chat.completions.create(model="m", messages=asked)
    assert "AAAA" not in json.dumps(only(log))
    assert only(log)["input_messages"][0]["parts"][0] == {"type": "text", "content": "What is it?"}


def test_inference_and_the_wrapped_client_go_together(client: openai.OpenAI, log: Kept) -> None:
    with log.inference(operation="pipeline") as call:
        assert current_call() is call
        client.chat.completions.create(model="small", messages=ASKED)
    assert [event["operation"] for event in log.events] == ["chat", "pipeline"]
