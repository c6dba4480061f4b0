"""What a wrapped OpenAI client logs of answers as bytes: responses, broken streams, parsed and odd ones."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from canonry.client._listener import Listener
from tests.client.openai_calls import (
    ASKED,
    RESPONSE,
    Kept,
    answering,
    check_response,
    events,
    log,
    only,
)

__all__ = ["log"]


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


def test_pictures_are_left_out(log: Kept) -> None:
    client = answering(log, b"{}")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}}
    asked: Any = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
    client.chat.completions.create(model="m", messages=asked)
    assert "AAAA" not in json.dumps(only(log))
    assert only(log)["input_messages"][0]["parts"][0] == {"type": "text", "content": "What is it?"}
