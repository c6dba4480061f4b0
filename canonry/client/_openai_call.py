"""One call of an OpenAI client, from its request to the last byte of its answer. Its methods never raise."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from canonry.client._answer import answer_fields, document_of, request_fields
from canonry.client._event import in_context, remember
from canonry.client._event_log import EventLog
from canonry.client._identifier import new_id
from canonry.client._listener import Listener
from canonry.client._log import default_log
from canonry.client._logger import note

OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""Operations, named as in gen_ai.operation.name, by the end of the path that is posted to."""


@dataclass(frozen=True)
class Settings:
    """What is the same for every call of one client."""

    log: EventLog | None
    content: bool
    fields: Mapping[str, Any]


def _harmless(method: Callable[..., Any]) -> Callable[..., Any]:
    """A mistake in logging is logged, and stays here."""

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            _note_mistake(error, method.__qualname__)
            return None

    return guarded


def _note_mistake(error: Exception, where: str) -> None:
    note(logging.DEBUG, "a call could not be logged, or not all of it: %s in %s", type(error).__name__, where)


class OpenAICall:
    """A call that is logged once, when it failed or its answer has been read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fields: dict[str, Any] = {}
        self._began = time.perf_counter()
        self._last: float | None = None
        self._listener: Listener | None = None
        self._patched: Set[str] = set()
        self._gone: weakref.finalize[Any, Any] | None = None
        self._reading = False
        self._done = True

    @classmethod
    def begin(cls, settings: Settings, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OpenAICall:
        """A call with these arguments of the client's `request`; one that is no inference will not be logged."""
        call = cls(settings)
        call._begin(kwargs.get("options") or (args[1] if len(args) > 1 else None))
        return call

    @_harmless
    def _begin(self, options: Any) -> None:
        path = urlsplit(str(options.url)).path
        operation = next((name for end, name in OPERATIONS.items() if path.endswith(end)), None)
        if operation is None or options.method.lower() != "post":
            return
        inference_id = new_id()
        known = {"operation": operation, **self._settings.fields, **in_context({})}
        self._fields = {**known, "inference_id": inference_id, "started_at": dt.datetime.now(dt.UTC)}
        remember(inference_id)
        self._began, self._done = time.perf_counter(), False
        body = options.json_data if isinstance(options.json_data, Mapping) else {}
        self._fields = {**request_fields(body, self._content), **self._fields}

    @_harmless
    def fail(self, error: BaseException) -> None:
        """The call raised; what had come before is kept."""
        self._finish({**self._heard_facts(), "error_type": type(error).__qualname__})

    @_harmless
    def answered(self, answer: Any) -> None:
        """The client's `request` gave this: a parsed object, or something around a response."""
        if self._done:
            return
        response = getattr(answer, "http_response", None) or getattr(answer, "response", None)
        if response is None or not hasattr(response, "iter_bytes"):
            response = answer if hasattr(answer, "iter_bytes") else None
        if response is None:
            self._finish(self._facts(lambda: document_of(answer)))
        elif response.is_closed:
            self._finish(self._facts(lambda: orjson.loads(response.content)))
        else:
            try:
                self._listen(response)
            except Exception:
                self._finish({})
                raise

    @property
    def _content(self) -> bool:
        return self._settings.content and self._fields.get("operation") != "embeddings"

    def _facts(self, read: Callable[[], Any]) -> dict[str, Any]:
        """What the answer says; nothing where it cannot be read, so that the call is logged all the same."""
        try:
            document = read()
            return answer_fields(document, self._content) if isinstance(document, Mapping) else {}
        except Exception as error:
            _note_mistake(error, "an answer")
            return {}

    def _listen(self, response: Any) -> None:
        """Let what reads the response pass through here: all of its readers go through these four."""
        events = "text/event-stream" in response.headers.get("content-type", "")
        self._listener = Listener(events=events)
        ours = {
            "iter_bytes": self._heard(response.iter_bytes),
            "aiter_bytes": self._heard_later(response.aiter_bytes),
            "close": self._closing(response.close),
            "aclose": self._closing_later(response.aclose),
        }
        self._patched = ours.keys() - vars(response).keys()
        vars(response).update(ours)
        # A stream that nobody closes is logged when nobody has it any more.
        self._gone = weakref.finalize(response, self._end)

    def _stop_listening(self) -> None:
        """Take our methods out of the response again: it holds them, they hold it, and neither would soon be freed."""
        if self._gone is not None and (found := self._gone.detach()):
            own = vars(found[0])
            for name in self._patched:
                if getattr(own.get(name), "__module__", None) == __name__:
                    del own[name]

    def _heard(self, read: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            chunks = read(*args, **kwargs)
            try:
                while True:
                    self._reading = True
                    try:
                        chunk = next(chunks)
                    except StopIteration:
                        self._end()
                        return
                    except BaseException as error:
                        self.fail(error)
                        raise
                    finally:
                        self._reading = False
                    self._hear(chunk)
                    yield chunk
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()

        return iter_bytes

    def _heard_later(self, read: Callable[..., AsyncIterator[bytes]]) -> Callable[..., AsyncIterator[bytes]]:
        async def aiter_bytes(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            chunks = read(*args, **kwargs)
            try:
                while True:
                    self._reading = True
                    try:
                        chunk = await anext(chunks)
                    except StopAsyncIteration:
                        self._end()
                        return
                    except BaseException as error:
                        self.fail(error)
                        raise
                    finally:
                        self._reading = False
                    self._hear(chunk)
                    yield chunk
            finally:
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()

        return aiter_bytes

    def _closing(self, close: Callable[[], None]) -> Callable[[], None]:
        def closed() -> None:
            try:
                close()
            finally:
                self._closed()

        return closed

    def _closing_later(self, close: Callable[[], Any]) -> Callable[[], Any]:
        async def closed() -> None:
            try:
                await close()
            finally:
                self._closed()

        return closed

    @_harmless
    def _hear(self, chunk: bytes) -> None:
        self._last = time.perf_counter()
        if self._listener is not None and not self._done:
            begun = self._listener.begun
            self._listener.hear(chunk)
            if self._listener.begun and not begun:
                self._fields["time_to_first_token_ms"] = (self._last - self._began) * 1e3

    def _closed(self) -> None:
        # A response closes itself when its last bytes have come, before they are decoded: those are still to be heard.
        if not self._reading:
            self._end()

    @_harmless
    def _end(self) -> None:
        if not self._done and self._listener is not None:
            self._finish(self._heard_facts(), self._last)

    def _heard_facts(self) -> dict[str, Any]:
        return self._facts(self._listener.document) if self._listener is not None else {}

    def _finish(self, facts: Mapping[str, Any], ended: float | None = None) -> None:
        if self._done:
            return
        self._done = True
        self._stop_listening()
        latency = {"latency_ms": ((ended or time.perf_counter()) - self._began) * 1e3}
        known = {name: value for name, value in facts.items() if value is not None}
        (self._settings.log or default_log()).log_begun({**self._fields, **latency, **known})
