"""Applies a source's redaction to events before anything of them is stored."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from canonry.events import EVENT_TYPES, EventType
from canonry.redact._mask import Mask
from canonry.redact._users import MAX_DEPTH, TooDeep, hash_users, without_named_users

if TYPE_CHECKING:
    from canonry.catalog.redaction import Redaction

DROPPED = "[dropped]"
CUT = "[cut]"

MAX_RAW_BYTES = 4 << 20
"""Of larger unreadable events nothing is kept where text is masked."""

_OPINIONS = frozenset({"comment", "correction"})
_FREE = frozenset({"error_type", "feature", "name", "result", "signal"})
"""Known fields in which anything may stand (a step's name may be its span's): masked as an unknown field is."""

_BEGINS_JSON = re.compile(r"\s*[{\[]")
_ESCAPED = re.compile(r"\\u00([2-7][0-9A-Fa-f])")

_log = logging.getLogger("canonry.redact")


class Redactor:
    """What happens to one source's events: users' ids are hashed always, text is kept, masked or dropped.

    `found` counts what was masked, by marker, and under `user_dropped` events whose user was left out for want of a
    key. Not for use by several threads at once.
    """

    def __init__(self, content: str, mask: Mask | None, hash_key: bytes) -> None:
        self.content = content
        self.found: Counter[str] = mask.found if mask else Counter()
        self._mask = mask
        self._key = hash_key
        self._digest_key = hash_key or secrets.token_bytes(32)

    @classmethod
    def from_spec(cls, redaction: Redaction | None, hash_key: bytes) -> Redactor:
        """The redactor of a source's YAML; None keeps text as it came. `hash_key` as from `canonry.people.hash_key`.

        Raises MissingExtra where what it needs is not installed.
        """
        if redaction is None or redaction.content == "keep":
            return cls("keep", None, hash_key)
        mask = Mask(redaction.find, redaction.patterns, redaction.phone_regions)
        return cls(redaction.content, mask, hash_key)

    def __call__(self, event_type: EventType, document: dict[str, Any]) -> dict[str, Any]:
        """The event as it may be stored. Raises TooDeep, a ValueError, where it cannot be looked through."""
        document, left_out = hash_users(document, _without_users(event_type.name), self._key)
        if left_out:
            self._count_left_out()
        if self._mask is None:
            return document
        names = _names(event_type.name)
        redacted: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in document.items():
            if name not in names:
                rest[name] = value
            else:
                redacted[name] = self._masked_name(value) if names[name] else value
        if self.content == "mask":
            return redacted | self._masked(rest, 0)
        said = {name: rest.pop(name) for name in _contents(event_type.name) if name in rest}
        if chunks := _chunks(said.get("retrieved")):
            redacted["retrieved"] = chunks
        free = {name: rest.pop(name) for name in _FREE & event_type.field_names if name in rest}
        return redacted | self._masked(free, 0) | self._short(rest, 0)

    def raw(self, event_type: EventType, raw: bytes) -> bytes | None:
        """Bytes of an event that could not be read, as they may be stored; None where nothing of them may be."""
        if self.content == "drop":
            return None
        masked = self._mask is not None
        if masked and (len(raw) > MAX_RAW_BYTES or b"\0" in raw):
            return None
        try:
            document = orjson.loads(raw) if len(raw) <= MAX_RAW_BYTES else None
            if isinstance(document, dict):
                redacted = self(event_type, document)
                if self._mask:
                    redacted = {name: self._named(value) for name, value in redacted.items()}
                return raw if redacted == document else orjson.dumps(redacted)
        except (ValueError, TypeError):
            pass
        try:
            text, encoding = raw.decode(), "utf-8"
        except UnicodeDecodeError:
            text, encoding = raw.decode("latin-1"), "latin-1"
        cleaned = without_named_users(text)
        if self._mask:
            plain = _ESCAPED.sub(_unescaped, cleaned)
            masked_text = self._mask.text(_without_cut_end(plain))
            cleaned = cleaned if masked_text == plain else masked_text
        return raw if cleaned == text else cleaned.encode(encoding)

    def _named(self, value: Any) -> Any:
        """A value of an event that was not read, so that an address may stand where an id or a time should."""
        return self._mask.text(value, identifier=True) if self._mask and isinstance(value, str) else value

    def reason(self, reason: str) -> str:
        """Why an event was not read, which may quote it."""
        return self._mask.text(reason) if self._mask else reason

    def digest(self, raw: bytes) -> str:
        """Digest of bytes that are not stored: keyed, since nobody may try out what they were."""
        return hashlib.blake2b(raw, digest_size=16, key=self._digest_key).hexdigest()

    def _count_left_out(self) -> None:
        if not self.found["user_dropped"]:
            _log.warning("a user's id was left out: set CANONRY_HASH_KEY, so that ids can be stored as keyed hashes")
        self.found["user_dropped"] += 1

    def _masked(self, value: Any, depth: int, identifier: bool = False) -> Any:
        """A value with its strings masked, at any depth; the very same value where nothing was found."""
        assert self._mask
        if isinstance(value, str):
            return self._masked_text(value, depth, identifier)
        if depth > MAX_DEPTH:
            raise TooDeep(f"more than {MAX_DEPTH} levels")
        if isinstance(value, list):
            items = [self._masked(each, depth + 1, identifier) for each in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        if isinstance(value, dict):
            changed = False
            fields: dict[str, Any] = {}
            taken: dict[str, int] = {}
            for name, inner in value.items():
                masked_name = self._mask.field(name)
                masked = self._masked(inner, depth + 1, is_identifier(name)) if inner.__class__ in _WALKED else inner
                changed = changed or masked is not inner or masked_name is not name
                fields[_free(fields, masked_name, taken)] = masked
            return fields if changed else value
        return value

    def _masked_name(self, value: Any) -> Any:
        """What a field holds that names a thing: such names recur."""
        assert self._mask
        if value.__class__ is str and _json(value) is None:
            return self._mask.name(value)
        return self._masked(value, 0, identifier=True)

    def _masked_text(self, text: str, depth: int, identifier: bool) -> str:
        assert self._mask
        document = _json(text)
        if document is not None:
            try:
                masked = self._masked(document, depth + 1, identifier)
                return text if masked is document else orjson.dumps(masked).decode()
            except (TooDeep, TypeError):
                pass
        return self._mask.text(text, identifier=identifier)

    def _short(self, value: Any, depth: int, name: str = "") -> Any:
        """A value without what may be content: texts under a name of contents, and texts that are more than a word."""
        if depth > MAX_DEPTH:
            raise TooDeep(f"more than {MAX_DEPTH} levels")
        assert self._mask
        if isinstance(value, dict):
            fields: dict[str, Any] = {}
            taken: dict[str, int] = {}
            for key, inner in value.items():
                hidden = bool(inner) and inner.__class__ in _WALKED and names_content(key)
                short = DROPPED if hidden else self._short(inner, depth + 1, key)
                fields[_free(fields, DROPPED if _is_prose(key) else self._mask.field(key), taken)] = short
            return fields
        if isinstance(value, list):
            return [self._short(each, depth + 1, name) for each in value]
        if isinstance(value, str):
            document = _json(value)
            if document is not None:
                try:
                    return orjson.dumps(self._short(document, depth + 1, name)).decode()
                except (TooDeep, TypeError):
                    return DROPPED
            return DROPPED if _is_prose(value) else self._mask.text(value, identifier=is_identifier(name))
        return value


_WALKED = (str, list, dict)
_IDENTIFIER = re.compile(
    r"(?:^|[._-])(?:ids?|uuid|guid|hash|digest|sha\d*|etag|fingerprint|version|model|timestamp|time|at|date|day)$"
    r"|[a-z](?:Id|Ids|Hash|Version|Model|At)$"
)
_CONTENT_NAME = re.compile(
    r"(?:^|[^a-z])(?:messages?|contents?|text|prompts?|completions?|inputs?|outputs?|quer(?:y|ies)|questions?|answers?"
    r"|arguments?|results?|documents?|instructions|comment|correction|choices|request|response|body|parts|value|summary"
    r"|reasoning|thinking)(?![a-z])"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST_WORD = 200


@lru_cache(4096)
def is_identifier(name: str) -> bool:
    """Whether a field's name says that it holds an id, a time or a version, whose digits are left alone."""
    return _IDENTIFIER.search(name) is not None


@lru_cache(4096)
def names_content(name: str) -> bool:
    """Whether a field's name says that it holds what was said (`gen_ai.tool.call.arguments`, `inputValue`)."""
    return _CONTENT_NAME.search(_CAMEL.sub(".", name).lower()) is not None


def _is_prose(text: str) -> bool:
    return len(text) > _LONGEST_WORD or not text.isascii() or any(map(str.isspace, text))


@cache
def _contents(kind: str) -> frozenset[str]:
    """Fields that hold what was said."""
    event_type = EVENT_TYPES[kind]
    return frozenset(field.name for field in event_type.contents) | _OPINIONS & event_type.field_names


@cache
def _without_users(kind: str) -> frozenset[str]:
    """Fields that are not searched for users' ids: all that are known, but for JSON that is not contents."""
    return frozenset(f.name for f in EVENT_TYPES[kind].all_fields if f.type != "json") | _contents(kind)


@cache
def _names(kind: str) -> dict[str, bool]:
    """Known fields that name things or times, and whether an address or a secret is looked for in them.

    It is not in the ids by which events are told apart and joined, nor in the time that has to be read.
    """
    event_type = EVENT_TYPES[kind]
    known = {field.name for field in event_type.all_fields if field.type in ("text", "time")}
    return {
        name: name == "session_id" or not (name.endswith(("_id", "_hash")) or name == event_type.time_field)
        for name in known - _FREE - _contents(kind)
    }


def _chunks(retrieved: Any) -> list[dict[str, Any]]:
    """What was retrieved, without its text."""
    chunks = [each for each in retrieved if isinstance(each, dict)] if isinstance(retrieved, list) else []
    return [{name: each[name] for name in ("chunk_id", "score") if name in each} for each in chunks]


def _json(text: str) -> Any:
    """The object, list or text that a text writes in JSON, or None."""
    if len(text) < 2 or text[0] not in '{["' or text[-1] not in '}]"':
        text = text.strip()
        if len(text) < 2 or text[0] not in '{["' or text[-1] not in '}]"':
            return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _free(fields: dict[str, Any], name: str, taken: dict[str, int]) -> str:
    """A name that is not taken yet: two names may become one marker. `taken` has the last number given to each."""
    if name not in fields:
        return name
    number = taken.get(name, 1) + 1
    while f"{name} {number}" in fields:
        number += 1
    taken[name] = number
    return f"{name} {number}"


def _without_cut_end(text: str) -> str:
    """JSON that was cut off, without the end of its last text: half an address is not found, yet it is somebody's."""
    if not _BEGINS_JSON.match(text) or text.rstrip().endswith(("}", "]")):
        return text
    kept, quote, end = text.rpartition('"')
    return f"{kept}{quote}{CUT}" if any(each == "@" or each.isdigit() for each in end) else text


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0] if character in '"\\' else character
