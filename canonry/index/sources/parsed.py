"""A file's text as Markdown: what it is called, when it changed, and what it says of itself."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from canonry.index.headings import headings_of


class Unreadable(Exception):
    """A file that is no document; the message says why and what to do."""


@dataclass(frozen=True)
class Parsed:
    """A document from a file. `format` as in the spec; `fields` is its front matter, or its <meta> by name."""

    text: str
    title: str | None = None
    format: str = "markdown"
    updated_at: dt.datetime | dt.date | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def parse(name: str, data: bytes) -> Parsed:
    """A document from a file's bytes, by its name's ending. Raises Unreadable."""
    ending = name.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    parser = PARSERS.get(ending)
    if parser is None:
        known = ", ".join(f".{each}" for each in PARSERS)
        raise Unreadable(f"has an ending that is not known ({known}); name other files, or convert it")
    if len(data) > MOST_BYTES:
        raise Unreadable(f"has {len(data):,} bytes, expected at most {MOST_BYTES:,}; cut it into several")
    try:
        found = parser(data)
    except Unreadable:
        raise
    except Exception as error:  # A parser may raise anything for bytes that somebody else wrote.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise Unreadable(f"cannot be parsed: {reason}") from None
    if not found.text.strip():
        raise Unreadable("has no text" + ("; a scan needs OCR first" if ending == "pdf" else ""))
    return found


MOST_BYTES = 64 << 20
_CHANGED = ("updated_at", "updated", "last_updated", "last_modified", "modified", "lastmod", "date")
"""Where front matter says when it changed, the first that is there."""


def _plain(data: bytes) -> Parsed:
    return Parsed(_decoded(data), format="plain")


def _markdown(data: bytes) -> Parsed:
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    fields: dict[str, Any] = {}
    if text.startswith("---\n") and (end := text.find("\n---\n", 3)) >= 0:
        try:
            found = yaml.safe_load(text[4:end])
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" in line {mark.line + 2}" if mark else ""
            raise Unreadable(f"its front matter is not YAML{where}: {getattr(error, 'problem', error)}") from None
        if isinstance(found, dict):
            fields, text = {str(name): value for name, value in found.items()}, text[end + 5 :]
    title = fields.get("title")
    changed = next((moment for name in _CHANGED if (moment := _moment(fields.get(name)))), None)
    return Parsed(text, str(title) if title else _first_heading(text), updated_at=changed, fields=fields)


def _html(data: bytes) -> Parsed:
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    page = BeautifulSoup(data, "lxml")
    title = page.title.get_text(" ", strip=True) if page.title else None
    fields = {str(each["name"]): str(each.get("content", "")) for each in page("meta", attrs={"name": True})}
    changed = page.find("meta", attrs={"property": "article:modified_time"})
    for each in page(["script", "style", "nav", "template", "noscript", "iframe", "svg", "form"]):
        each.decompose()
    body = page.find("main") or page.body or page
    converter = MarkdownConverter(
        heading_style="ATX", escape_underscores=False, escape_asterisks=False, escape_misc=False, strip=["a", "img"]
    )
    text = converter.convert_soup(body).strip() + "\n"
    said = (changed.get("content") if changed else None, fields.get("last-modified"), fields.get("date"))
    moment = next((found for each in said if (found := _moment(each))), None)
    return Parsed(text, title or _first_heading(text), updated_at=moment, fields=fields)


def _rst(data: bytes) -> Parsed:
    from canonry.index.sources.rst import rst_to_markdown

    text = rst_to_markdown(_decoded(data))
    return Parsed(text, _first_heading(text))


def _pdf(data: bytes) -> Parsed:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("is locked by a password; save it without one")
    text = "\n\n".join(page.extract_text() for page in reader.pages)
    about = reader.metadata
    title = about.title.strip() if about and about.title else None
    changed: dt.datetime | None = about.modification_date if about else None
    # Fonts without a map give half surrogates, which are no characters.
    return Parsed(text.encode("utf-8", "replace").decode(), title or None, "plain", changed)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _moment(said: Any) -> dt.datetime | dt.date | None:
    """A time that a document says of itself, None where it is written in some other way: it is no reason to refuse."""
    if isinstance(said, dt.date):
        return said
    try:
        return dt.datetime.fromisoformat(str(said).strip())
    except ValueError:
        return None


def _first_heading(text: str) -> str | None:
    return next((each.text for each in headings_of(text) if each.text), None)


PARSERS: dict[str, Callable[[bytes], Parsed]] = {
    "md": _markdown,
    "markdown": _markdown,
    "rst": _rst,
    "html": _html,
    "htm": _html,
    "txt": _plain,
    "text": _plain,
    "pdf": _pdf,
}
"""Parser by a name's ending."""
