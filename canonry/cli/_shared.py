"""What commands share: where output goes, and how an error is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_FILE = 140

console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
errors = Console(stderr=True)


def table_of(*columns: str, text: str | None = None) -> Table:
    """A table whose names and versions stay whole, so that they can be copied; only a last column of text wraps."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="fold")
    if text:
        table.add_column(text)
    return table


@contextmanager
def said(*kinds: type[Exception]) -> Iterator[None]:
    """Say an expected error in one line and leave with status 1; anything else keeps its traceback."""
    try:
        yield
    except kinds as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
