"""What a section of the page is made of: plain data that the template shows, and escapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A model version: its name, and the place in the palette that it has everywhere on the page."""

    name: str
    place: int


Cell = str | Model


@dataclass(frozen=True)
class Table:
    """Figures as text. Columns from `numbers_from` on are aligned as numbers; `folded` tables open on a click."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    numbers_from: int = 1
    folded: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart: what it is of, and its SVG, which says in words what it shows."""

    title: Cell
    svg: str


@dataclass(frozen=True)
class Panels:
    """Charts that are read together. `caption` says how, `key` which model versions are in them."""

    title: str
    caption: str
    panels: Sequence[Panel]
    key: Sequence[Model] = ()


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Details:
    """Texts under their labels that open on a click; lines stay as they are."""

    summary: str
    parts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Missing:
    """What is not there yet, and how to get it."""

    text: str
    command: str


@dataclass(frozen=True)
class Facts:
    """Names with what is said of each; an https:// address is a link."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Folded:
    """Blocks that open on a click."""

    title: str
    blocks: Sequence[Table | Prose | Facts]


Block = Table | Panels | Prose | Details | Missing | Facts | Folded


@dataclass(frozen=True)
class Section:
    """One part of the page. `headline` is its figure on the overview, `findings` what it adds there in words."""

    id: str
    title: str
    lead: str
    blocks: Sequence[Block]
    headline: Headline | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Headline:
    """A figure of the overview, with what it is and what to know about it."""

    name: str
    value: str
    notes: tuple[str, ...] = ()
