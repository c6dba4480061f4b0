"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

_QUIET_SECONDS = 2.0
_LINE_SECONDS = 15.0


def track(items: Sequence[Item] | Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on, and show how far the work is once it has lasted two seconds."""
    total = total if total is not None else (len(items) if isinstance(items, Sequence) else None)
    if sys.stderr.isatty():
        yield from _bar(items, description, total)
    else:
        yield from _lines(items, description, total)


def _bar(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, visible=False)
        for item in items:
            yield item
            progress.update(task, advance=1, visible=time.monotonic() - started > _QUIET_SECONDS)


def _lines(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    started = said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said > _LINE_SECONDS:
            said = now
            rate = done / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if total else ""
            print(f"{description}: {done}{f' of {total}' if total else ''}, {rate:.1f} a second{left}", file=sys.stderr)
