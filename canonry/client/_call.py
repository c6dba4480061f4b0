"""One call that is timed and logged: a context manager, and a decorator of functions and coroutines."""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from canonry.client._event import undo
from canonry.client._identifier import id_of

if TYPE_CHECKING:
    from canonry.client._event_log import EventLog

F = TypeVar("F", bound=Callable[..., Any])

_current: ContextVar[Call | None] = ContextVar("canonry_current_call", default=None)


def current_call() -> Call | None:
    """The innermost call that is being timed in this context: how a decorated function says more about its call.

    >>> from canonry.client import inference
    >>> with inference(product="docs-site", team="docs") as call:
    ...     current_call() is call
    True
    >>> current_call() is None
    True
    """
    return _current.get()


class Call:
    """A call on its way: attributes that are set become fields of its inference. Made by `inference`."""

    inference_id: str
    """Known from the start, so that it can be handed to whoever will give feedback."""

    def __init__(self, log: Callable[[], EventLog], fields: dict[str, Any]) -> None:
        given = {**fields, "inference_id": id_of(fields.get("inference_id"))}
        self.__dict__.update(_log=log, _given=fields, _fields=given, _began=0.0, _tokens=[])

    def set(self, /, **fields: Any) -> None:
        """Set fields of the inference.

        >>> from canonry.client import inference
        >>> with inference(product="docs-site", team="docs") as call:
        ...     call.set(output_tokens=3, finish_reason="stop")
        """
        self._fields.update(fields)

    def __setattr__(self, name: str, value: Any) -> None:
        self._fields[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_fields"][name]
        except KeyError:
            raise AttributeError(f"{name}: this call has no such field yet") from None

    def __enter__(self) -> Call:
        self._tokens.append(_current.set(self))
        self._fields.setdefault("started_at", dt.datetime.now(dt.UTC))
        self.__dict__["_began"] = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fields.setdefault("latency_ms", (time.perf_counter() - self._began) * 1e3)
        if kind is not None:
            self._fields.setdefault("error_type", kind.__qualname__)
        token: Token[Call | None] = self._tokens.pop()
        undo(token, self, None)
        self._log().log_inference(**self._fields)

    async def __aenter__(self) -> Call:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function: every call of it is logged as an inference of its own."""
        import inspect

        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: write `with inference(...)` inside it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                with Call(self._log, self._given):
                    return await function(*args, **kwargs)

            return cast(F, timed_coroutine)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with Call(self._log, self._given):
                return function(*args, **kwargs)

        return cast(F, timed)
