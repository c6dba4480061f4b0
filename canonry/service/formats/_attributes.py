"""Reading attributes: each `take` removes what it reads, so that what is left over is what no mapping knows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import orjson

from canonry.redact import is_identifier, names_content

Attributes = dict[str, Any]

_FACTS = frozenset({"gen_ai.output.type", "http.request.method"})
_SCORE = "gen_ai.evaluation.score."
"""Names that only look like contents."""

_CONTENT = (
    *("gen_ai.prompt", "gen_ai.completion", "gen_ai.tool.", "gen_ai.retrieval."),
    *("ai.embedding", "ai.value", "ai.toolCall.args", "ai.request.headers."),
)
"""Names of text, vectors and secrets that do not look like them, or have numbers below them."""

_NESTED = 8
_LISTED = 2000


def take(attributes: Attributes, names: Iterable[str]) -> Any:
    """The first of these attributes that says something; all of them are removed."""
    found = None
    for name in names:
        value = attributes.pop(name, None)
        if found is None and value is not None and value != "":
            found = value
    return found


def text(value: Any) -> str | None:
    """A value as text; a list's first value; None where there is none."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or value == "" or isinstance(value, dict):
        return None
    return value if isinstance(value, str) else str(value)


def whole(value: Any) -> int | None:
    """A value as a whole number, or None. Exporters send numbers as text, too."""
    found = real(value)
    return int(found) if found is not None and found == int(found) else None


def real(value: Any) -> float | None:
    """A value as a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def parsed(value: Any) -> Any:
    """What JSON text says; other values, and text that is no JSON, as they are."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def mapping(value: Any) -> dict[str, Any]:
    """What JSON text or a mapping says, or an empty mapping."""
    found = parsed(value)
    return found if isinstance(found, dict) else {}


def take_list(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """The list that attributes `PREFIX.0.a.b`, `PREFIX.1.a.b`, … spell out, in order; they are removed.

    Numbers inside become lists, too: `message.contents.0.text` is a list `contents` in `message`.
    """
    begin = f"{prefix}."
    paths = {name: name.removeprefix(begin).split(".") for name in attributes if name.startswith(begin)}
    tree: dict[str, Any] = {}
    for name, path in paths.items():
        value = attributes.pop(name)
        if not _is_index(path[0]) or len(path) > _NESTED + 8:
            continue
        node = tree
        for step in path[:-1]:
            child = node.setdefault(step, {})
            if not isinstance(child, dict):
                child = node[step] = {}
            node = child
        if not isinstance(node.get(path[-1]), dict):
            node[path[-1]] = value
    listed = _listed(tree)
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def drop(attributes: Attributes, prefixes: tuple[str, ...]) -> None:
    """Remove attributes whose names begin so."""
    for name in [name for name in attributes if name.startswith(prefixes)]:
        del attributes[name]


def facts(attributes: Attributes) -> Attributes:
    """Attributes without those whose names say that they hold what was said: text is kept apart, or not at all."""
    return {name: value for name, value in attributes.items() if not _is_content(name, value)}


def _is_content(name: str, value: Any) -> bool:
    if name.startswith(_CONTENT):
        return True
    if not value or not isinstance(value, (str, list, dict)):
        return False
    return names_content(name) and not (is_identifier(name) or name in _FACTS or name.startswith(_SCORE))


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(map(_is_index, node)):
        return [_listed(node[key]) for key in sorted(node, key=int)][:_LISTED]
    return {key: _listed(value) for key, value in node.items()}


def _is_index(name: str) -> bool:
    """Whether a name is a place in a list. `²` is a digit, too, and no number."""
    return len(name) < 6 and name.isascii() and name.isdecimal()
