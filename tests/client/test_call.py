"""`inference` times a call and says what happened in it, and leaves what it gives and raises as it is."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from canonry.client import EventLog, current_call, event_fields, inference, log_inference, stats
from canonry.client import _log as log_module


class Kept(EventLog):
    """A log that keeps what it would send."""

    def __init__(self) -> None:
        super().__init__(home="nowhere", source="test", fields={"product": "docs-site", "team": "docs"})
        self.events: list[dict[str, Any]] = []

    def _put(self, kind: str, event: dict[str, Any]) -> None:
        self.events.append(event)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Kept:
    made = Kept()
    monkeypatch.setattr(log_module, "_logs", {"default": made})
    return made


def test_a_call_is_timed_and_says_what_its_body_set(log: Kept) -> None:
    with inference(request_model="small", feature="ask") as call:
        known = call.inference_id
        call.output_tokens = 3
        call.set(finish_reason="stop", colour="blue")
        assert call.output_tokens == 3
        assert log.events == []
    [event] = log.events
    expected = {"inference_id": known, "product": "docs-site", "request_model": "small", "feature": "ask"}
    expected |= {"output_tokens": 3, "finish_reason": "stop", "colour": "blue"}
    assert event.items() >= expected.items()
    assert event["latency_ms"] > 0
    assert "error_type" not in event


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_an_exception_goes_on_and_is_recorded(error: type[BaseException], log: Kept) -> None:
    with pytest.raises(error), inference():
        raise error
    assert log.events[0]["error_type"] == error.__name__


def test_what_the_body_says_of_an_error_stands(log: Kept) -> None:
    with pytest.raises(ValueError), inference() as call:
        call.set(error_type="429", latency_ms=7.0)
        raise ValueError
    assert (log.events[0]["error_type"], log.events[0]["latency_ms"]) == ("429", 7.0)


def test_a_field_that_was_not_set_is_no_attribute(log: Kept) -> None:
    with inference() as call, pytest.raises(AttributeError, match="output_tokens"):
        _ = call.output_tokens


def test_a_function_is_logged_at_every_call(log: Kept) -> None:
    @inference(request_model="small")
    def answer(question: str, *, loudly: bool = False) -> str:
        """Answers."""
        call = current_call()
        assert call is not None
        call.input_tokens = len(question)
        return question.upper() if loudly else question

    assert (answer("a"), answer("bc", loudly=True)) == ("a", "BC")
    assert (answer.__name__, answer.__doc__) == ("answer", "Answers.")
    assert [event["input_tokens"] for event in log.events] == [1, 2]
    assert len({event["inference_id"] for event in log.events}) == 2
    assert current_call() is None


def test_a_coroutine_function_is_logged_at_every_call(log: Kept) -> None:
    @inference()
    async def answer(number: int) -> int:
        call = current_call()
        assert call is not None
        await asyncio.sleep(0)
        call.output_tokens = number
        if number == 2:
            raise ValueError
        return number

    async def use() -> list[Any]:
        return await asyncio.gather(*map(answer, range(4)), return_exceptions=True)

    found = asyncio.run(use())
    assert asyncio.iscoroutinefunction(answer)
    assert [each for each in found if not isinstance(each, ValueError)] == [0, 1, 3]
    errors = {event["output_tokens"]: event.get("error_type") for event in log.events}
    assert errors == {
        0: None,
        1: None,
        3: None,
        2: "ValueError",
    }


def test_the_async_form_is_the_same(log: Kept) -> None:
    async def use() -> None:
        async with inference() as call:
            call.output_tokens = 1

    asyncio.run(use())
    assert log.events[0]["output_tokens"] == 1


def test_a_generator_is_refused_where_it_is_decorated(log: Kept) -> None:
    def words() -> Any:
        yield "a"

    with pytest.raises(TypeError, match="inside it"):
        inference()(words)


def test_calls_nest(log: Kept) -> None:
    with inference(operation="outer") as outer:
        with inference(operation="inner") as inner:
            assert current_call() is inner
        assert current_call() is outer
    assert [event["operation"] for event in log.events] == ["inner", "outer"]


def test_fields_of_the_context_give_way_to_those_of_the_call(log: Kept) -> None:
    with event_fields(session_id="s", feature="of the context"), event_fields(environment="staging"):
        log_inference(feature="of the call")
    log_inference()
    assert log.events[0].items() >= {"session_id": "s", "feature": "of the call", "environment": "staging"}.items()
    assert "session_id" not in log.events[1]


def test_a_decorated_function_reads_the_environment_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_logs", {})

    @inference()
    def answer() -> int:
        return 1

    assert log_module._logs == {}
    monkeypatch.delenv("CANONRY_URL", raising=False)
    monkeypatch.delenv("CANONRY_SOURCE", raising=False)
    assert answer() == 1
    assert stats().dropped == 1


def test_the_trace_is_that_of_opentelemetry(log: Kept) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    with TracerProvider().get_tracer("test").start_as_current_span("ask") as span:
        log_inference()
        log_inference(trace_id="own")
    log_inference()
    assert log.events[0]["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert log.events[1]["trace_id"] == "own"
    assert "trace_id" not in log.events[2]


def begin() -> Iterator[None]:
    with event_fields(session_id="s-1"), inference() as call:
        assert current_call() is call
        yield


def test_a_generator_may_be_ended_in_another_context(log: Kept) -> None:
    here, copy = contextvars.copy_context(), contextvars.copy_context()
    steps = begin()
    here.run(next, steps)
    copy.run(log_inference)
    copy.run(steps.close)  # type: ignore[attr-defined]
    assert copy.run(current_call) is None
    copy.run(log_inference)
    assert [event.get("session_id") for event in log.events] == [None, None, None]


def test_a_generator_that_is_ended_in_a_copy_of_its_context_leaves_nothing_in_it(log: Kept) -> None:
    here = contextvars.copy_context()
    with event_fields(session_id="outer"):
        steps = begin()
        here.run(next, steps)
        copy = here.copy()
        copy.run(steps.close)  # type: ignore[attr-defined]
        copy.run(log_inference)
    assert copy.run(current_call) is None
    assert log.events[-1].get("session_id") is None


def test_a_call_that_ends_elsewhere_does_not_hide_the_one_that_runs_there(log: Kept) -> None:
    steps = begin()
    contextvars.copy_context().run(next, steps)
    with inference() as call:
        steps.close()  # type: ignore[attr-defined]
        assert current_call() is call
