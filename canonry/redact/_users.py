"""Users' ids in events: every field that names a user goes, and one keyed hash comes in its place."""

from __future__ import annotations

import re
from typing import Any

import orjson

from canonry.people import user_hash

USER_FIELDS = (
    "user_id",
    "end_user_id",
    "end_user",
    "user",
    "user.id",
    "enduser.id",
    "enduser.pseudo.id",
    "ai.telemetry.metadata.userId",
    "userId",
    "endUserId",
    "user_api_key_end_user_id",
    "user_api_key_user_id",
    "user_email",
    "user.email",
    "user_api_key_user_email",
    "user_name",
    "user.name",
    "username",
    "user.full_name",
)
"""Fields that name a user, at any depth of an event apart from its contents. Of several the first here is hashed."""

MAX_DEPTH = 200
"""Deeper than this no event is redacted; it is kept as unreadable."""

_FIELDS = frozenset(USER_FIELDS)
_RANK = {name: rank for rank, name in enumerate(USER_FIELDS)}
_LOOKED_INTO = frozenset({str, dict, list})
_HASH = re.compile(r"[0-9A-Fa-f]{16,128}")
_NAMED = re.compile(
    r"(\\?[\"'](?:" + "|".join(map(re.escape, USER_FIELDS)) + r")\\?[\"']\s*:\s*)"
    r"(?:\\?\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,}\]\"'{\[]+)"
)


class TooDeep(ValueError):
    """An event nested more deeply than it can be looked through."""


def take_users(document: dict[str, Any], skip: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """The document without fields that name a user, and what they named, the likeliest id first.

    Fields in `skip` are not looked into. The very same document comes back where nothing was taken.
    """
    taken: list[tuple[int, int, str]] = []
    rest = {name: value for name, value in document.items() if name not in skip}
    cleaned = _without(rest, taken, 0)
    if cleaned is rest:
        return document, []
    document = {name: cleaned.get(name, value) for name, value in document.items() if name in skip or name in cleaned}
    return document, [identifier for _, _, identifier in sorted(taken, key=lambda each: each[:2])]


def hash_users(document: dict[str, Any], skip: frozenset[str], key: bytes) -> tuple[dict[str, Any], bool]:
    """The event with `user_hash` for whoever it names, and whether a user had to be left out for want of a key.

    A `user_hash` that was sent stands where it is one (16 or more hex digits); else it is taken for an id.
    """
    given = document.get("user_hash")
    named: list[str] = []
    for name, value in document.items():
        if name not in skip and (name in _FIELDS or (value.__class__ in _LOOKED_INTO and _may_name_user(value))):
            document, named = take_users(document, skip)
            break
    if given is None or given == "":
        if not named:
            return document, False
    elif isinstance(given, str) and _HASH.fullmatch(given):
        return document, False
    else:
        named = [_identifier(given), *named]
    document = {name: value for name, value in document.items() if name != "user_hash"}
    if not key:
        return document, True
    return {**document, "user_hash": user_hash(named[0], key)}, False


def without_named_users(text: str) -> str:
    """A text that is not JSON, or no longer, with `[user]` where a field that names a user has its value."""
    return _NAMED.sub(_unnamed, text) if "ser" in text else text


def _unnamed(match: re.Match[str]) -> str:
    quote = match[1][: match[1].index(match[1].lstrip("\\")[0]) + 1]
    return f"{match[1]}{quote}[user]{quote}"


def _may_name_user(value: Any) -> bool:
    """Whether a look inside is needed: a fast no for nearly everything."""
    kind = value.__class__
    if kind is str:
        return "ser" in value
    if kind is dict:
        for name, inner in value.items():
            if name in _FIELDS or (inner.__class__ in _LOOKED_INTO and _may_name_user_deep(inner)):
                return True
        return False
    return kind is list and _may_name_user_deep(value)


def _may_name_user_deep(value: Any) -> bool:
    if value.__class__ is str:
        return "ser" in value
    try:
        return b"ser" in orjson.dumps(value)
    except TypeError:
        return True


def _without(value: Any, taken: list[tuple[int, int, str]], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise TooDeep(f"more than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        changed = None
        for name, inner in value.items():
            if name in _FIELDS:
                changed = dict(value) if changed is None else changed
                del changed[name]
                if identifier := _identifier(inner):
                    taken.append((depth, _RANK[name], identifier))
            elif isinstance(inner, dict | list | str):
                cleaned = _without(inner, taken, depth + 1)
                if cleaned is not inner:
                    changed = dict(value) if changed is None else changed
                    changed[name] = cleaned
        return value if changed is None else changed
    if isinstance(value, list):
        cleaned_list = [_without(each, taken, depth + 1) for each in value]
        return value if all(new is old for new, old in zip(cleaned_list, value, strict=True)) else cleaned_list
    return without_named_users(value) if isinstance(value, str) else value


def _identifier(value: Any) -> str:
    """What identifies the user: of an object its own id, else all of it; empty where nobody is named."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("id", *USER_FIELDS) if value.get(name)), value)
    if value is None or value == "" or isinstance(value, bool):
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
