"""Yanked releases: nobody may open them any more, by a channel or by version, and no channel points there again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter

from canonry.release._errors import Withdrawn
from canonry.release._manifest import parse, to_json
from canonry.release._paths import YANKED, release_folder
from canonry.storage import NotFound, Storage


@dataclass(frozen=True)
class Yank:
    """Why a release may not be opened, since when."""

    reason: Annotated[str, Field(min_length=1)]
    yanked_at: AwareDatetime

    def to_json(self) -> bytes:
        """As it lies beside the release's manifest and in the journal."""
        return to_json(self, "a yank")


def yank_of(published: Storage, kind: str, name: str, version: str) -> Yank | None:
    """Why a release is yanked; None where it is not. Raises ReleaseError where the file says neither."""
    path = f"{release_folder(kind, name, version)}/{YANKED}"
    try:
        return parse(_YANK, published.read(path), f"{published.url}/{path}")
    except NotFound:
        return None


def is_yanked(published: Storage, kind: str, name: str, version: str) -> bool:
    """Whether a release is yanked, also where the service says so and hands out no reason."""
    try:
        return yank_of(published, kind, name, version) is not None
    except Withdrawn:
        return True


def refuse_yanked(published: Storage, kind: str, name: str, version: str) -> None:
    """Raises Withdrawn where a release is yanked."""
    if yank := yank_of(published, kind, name, version):
        raise Withdrawn(
            f"{kind}/{name} {version} was yanked on {yank.yanked_at.astimezone(dt.UTC):%Y-%m-%d}: {yank.reason}; open "
            f"another version, see `canonry releases list {kind} {name}`"
        )


_YANK: TypeAdapter[Yank] = TypeAdapter(Yank)
