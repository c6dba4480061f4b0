"""What every benchmark says: its arguments, a small table, the machine's load, and the ratio on the last line."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Literal


def arguments(description: str | None, *, rows: int, quick_rows: int) -> argparse.Namespace:
    """`--quick`, `--rows` (these unless given) and `--data` (a Path) from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a small run, for a first impression")
    parser.add_argument("--rows", type=int, help=f"size (default {rows:,}, with --quick {quick_rows:,})")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of real data")
    found = parser.parse_args()
    if found.rows is None:
        found.rows = quick_rows if found.quick else rows
    if found.rows < 1:
        parser.error(f"--rows is {found.rows}, expected at least 1")
    return found


def report(
    name: str,
    ratio: float,
    better: Literal["lower", "higher"],
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: Sequence[str] = (),
) -> None:
    """Print the table, what is to be said of it, and last `NAME ratio=1.23 lower is better`. The first column is
    left-aligned, the others right.

    Floats are shown with three significant digits.
    """
    cells = [[str(cell) for cell in header], *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for number, row in enumerate(cells):
        first, *others = (cell.ljust(width) if not column else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join((first, *others)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(*(["", *notes] if notes else []), sep="\n", end="\n" if notes else "")
    print(f"\n{machine()}")
    print(f"{name} ratio={ratio:.2f} {better} is better")


def machine() -> str:
    """Processors, load and versions: what a figure was measured on."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{os.cpu_count()} processors, load {load} (1, 5, 15 minutes), Python {platform.python_version()}"


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
