"""Threads for what computes or reads files, so that the event loop never waits; and no endless queue before them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from canonry.client import NotReleased, ReleaseError, SearchError
from canonry.encode import EncoderError
from canonry.release import Damaged, Withdrawn
from canonry.service.problems import Problem, retry_after
from canonry.storage import NotFound, StorageError

log = logging.getLogger("canonry.service")

T = TypeVar("T")


class Workers:
    """So many threads, and so many calls that may wait for one."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="canonry-out")
        self._most = threads + waiting
        self._calls = 0

    async def run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """The function's result. Raises Problem: 429 where too many wait, and what its errors mean to a caller."""
        if self._calls >= self._most:
            detail = "more is asked for than can be answered at the moment; wait as Retry-After says"
            raise Problem(429, detail, headers=retry_after(1))
        self._calls += 1
        try:
            call = partial(function, *arguments, **named)
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except (ReleaseError, SearchError, EncoderError, StorageError, OSError) as error:
            problem = problem_of(error)
            if problem.status >= 500:
                log.error("%s", error)
            raise problem from error
        finally:
            self._calls -= 1


def problem_of(error: Exception) -> Problem:
    """What an error of a release means to who asked. Paths of this machine stay here: the log has them."""
    match error:
        case NotReleased() | NotFound():
            return Problem(404, "nothing of this name is released there; GET /v1/indexes or /v1/tables lists what is")
        case Damaged():
            return Problem(503, "the release is damaged and is not handed out; tell whoever runs the platform")
        case Withdrawn():
            return Problem(410, "this version was withdrawn and is handed out no more; open another, or a channel")
        case ReleaseError():
            return Problem(503, "the release cannot be used; tell whoever runs the platform")
        case SearchError():
            return Problem(422, str(error))
        case EncoderError():
            detail = "this service cannot search by text, its encoder is missing; send a vector instead of a text"
            return Problem(501, detail)
    detail = "what is published cannot be read at the moment; try again"
    return Problem(503, detail, headers=retry_after(2))
