"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

_QUIET_SECONDS = 2.0
_LINE_SECONDS = 15.0


def track(
    items: Sequence[Item] | Iterable[Item],
    description: str,
    total: int | None = None,
    size: Callable[[Item], int] | None = None,
) -> Iterator[Item]:
    """Pass items on, and show how far the work is, how fast, and what is left once it has lasted two seconds.

    `size` of an item where items are not alike: what lies ahead is told by it and not by their number.
    """
    if isinstance(items, Sequence) and total is None:
        total = sum(map(size, items)) if size else len(items)
    shown = _bar if sys.stderr.isatty() else _lines
    yield from shown(items, description, total, size or _one)


def _bar(items: Iterable[Item], description: str, total: int | None, size: Callable[[Item], int]) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    started = time.monotonic()
    done = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, visible=False, rate="")
        for item in items:
            yield item
            done += size(item)
            passed = time.monotonic() - started
            progress.update(task, completed=done, visible=passed > _QUIET_SECONDS, rate=f"{done / passed:,.1f}/s")


def _lines(items: Iterable[Item], description: str, total: int | None, size: Callable[[Item], int]) -> Iterator[Item]:
    started = said = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - said > _LINE_SECONDS:
            said = now
            rate = done / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if total else ""
            print(f"{description}: {done}{f' of {total}' if total else ''}, {rate:.1f} a second{left}", file=sys.stderr)


def _one(item: object) -> int:
    return 1
