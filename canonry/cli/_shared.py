"""What commands share: where output goes, and how an error is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

console = Console()
errors = Console(stderr=True)


@contextmanager
def said(*kinds: type[Exception]) -> Iterator[None]:
    """Say an expected error in one line and leave with status 1; anything else keeps its traceback."""
    try:
        yield
    except kinds as error:
        errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
