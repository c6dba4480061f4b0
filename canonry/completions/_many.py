"""Many requests at once, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import httpx

from canonry.completions._ask import BACKGROUND, Patience, ask
from canonry.completions._endpoint import Endpoint
from canonry.completions._kept import keep, read_kept
from canonry.completions._nouns import Completion, Failed, Request
from canonry.storage import Storage

AT_ONCE = 4

GIVE_UP_AFTER = 12
"""Requests that fail one after the other, whereupon the rest is not asked: the endpoint is away."""

Answered = Callable[[Request, Completion | Failed], None]


def complete(
    endpoint: Endpoint,
    requests: Sequence[Request],
    *,
    journal: Storage | None = None,
    at_once: int = AT_ONCE,
    patience: Patience = BACKGROUND,
    answered: Answered | None = None,
) -> list[Completion | Failed]:
    """An outcome for each request, in their order; the same request is asked once.

    With a `journal`, what was answered before is taken from there, and what is answered now is kept there. `answered`
    is told, in the caller's thread and before it is kept, of each request that was really asked: to log its cost.
    Raises EndpointError where the endpoint refuses everything; what was answered until then is kept.
    """
    found: dict[str, Completion | Failed] = {}
    asked: dict[str, Request] = {}
    for request in requests:
        kept = read_kept(journal, request) if journal and request.digest not in asked else None
        if kept:
            found[request.digest] = kept
        else:
            asked.setdefault(request.digest, request)
    waiting = list(asked.values())[::-1]
    running: dict[Future[Completion | Failed], Request] = {}
    failures = 0
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    with httpx.Client(limits=limits) as client, ThreadPoolExecutor(at_once, "canonry-completions") as pool:
        try:
            while waiting or running:
                while waiting and len(running) < at_once and failures < GIVE_UP_AFTER:
                    request = waiting.pop()
                    running[pool.submit(ask, client, endpoint, request, patience)] = request
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    request = running.pop(future)
                    outcome = future.result()
                    failures = failures + 1 if isinstance(outcome, Failed) else 0
                    if answered:
                        answered(request, outcome)
                    if journal and isinstance(outcome, Completion):
                        keep(journal, request, outcome)
                    found[request.digest] = outcome
        finally:
            for future in running:
                future.cancel()
    given_up = Failed("given_up", f"not asked: {GIVE_UP_AFTER} requests before it failed one after the other")
    return [found.get(request.digest, given_up) for request in requests]
