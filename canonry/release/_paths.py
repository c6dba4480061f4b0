"""Where releases lie, and which names are allowed there: text from outside becomes a path only through here."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import StringConstraints, TypeAdapter, ValidationError

from canonry.release._errors import ReleaseError

MANIFEST = "manifest.json"
YANKED = "yanked.json"

Kind = Literal["indexes", "tables", "prompts", "models", "gold", "scorers", "scorecard"]
KINDS: tuple[str, ...] = get_args(Kind)
"""What can be released; a folder of `published/` each."""

_PART = r"[A-Za-z0-9][A-Za-z0-9._=-]*"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
FilePath = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART})*$", max_length=200)]

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_VERSION: TypeAdapter[str] = TypeAdapter(Version)


def release_folder(kind: str, name: str, version: str) -> str:
    """Path of a release under `published`. Raises ReleaseError for what is not a kind, name or version."""
    return f"{thing_folder(kind, name)}/releases/{_checked(_VERSION, 'version', version)}"


def channel_path(kind: str, name: str, channel: str) -> str:
    """Path of a channel's pointer under `published`."""
    if is_version(channel):
        raise ReleaseError(f"channel {channel!r} looks like a version; give it a name such as production")
    return f"{thing_folder(kind, name)}/channels/{_checked(_NAME, 'channel', channel)}.json"


def thing_folder(kind: str, name: str) -> str:
    """Path of everything released under one name."""
    return f"{kind_folder(kind)}/{_checked(_NAME, 'name', name)}"


def kind_folder(kind: str) -> str:
    """Path of everything of one kind."""
    if kind not in KINDS:
        raise ReleaseError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    return kind


def is_version(text: str) -> bool:
    """Whether a text is a version rather than a channel."""
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def _checked(adapter: TypeAdapter[str], what: str, text: str) -> str:
    try:
        return adapter.validate_python(text, strict=True)
    except ValidationError as error:
        raise ReleaseError(f"{what} {text!r} is not usable: {error.errors()[0]['msg']}") from None
