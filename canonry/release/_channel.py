"""Channels: small pointers to a release, each the last of the moves that somebody made for a reason."""

from __future__ import annotations

import datetime as dt
import random
import time
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

from pydantic import AwareDatetime, Field, TypeAdapter

from canonry.release._arm import Arm, Canary
from canonry.release._errors import NotReleased, ReleaseError, Withdrawn
from canonry.release._manifest import parse, to_json, utc
from canonry.release._paths import Kind, Name, Version, channel_path, is_version, thing_folder
from canonry.release._store import Release, find, verify
from canonry.release._yank import is_yanked, refuse_yanked
from canonry.storage import Conflict, NotFound, Storage

PRODUCTION = "production"
ATTEMPTS = 12
REMEMBERED = 50
"""How many earlier versions a pointer keeps for rolling back; the journal keeps all."""


@dataclass(frozen=True)
class Move:
    """One move of a channel to `version`. The last one is the channel's pointer, as it lies in `channels/`."""

    kind: Kind
    name: Name
    channel: Name
    version: Version
    previous: Version | None
    """Where the channel pointed just before."""
    action: Literal["promote", "rollback", "canary"]
    """Of a `canary` that began, grew or stopped, the version is the same as before."""
    moved_at: AwareDatetime
    reason: Annotated[str, Field(min_length=1)]
    earlier: tuple[Version, ...]
    """Where a rollback would go, the nearest last."""
    withdrawn: tuple[Version, ...]
    """What was rolled back from, and is not promoted again unless forced."""
    canary: Canary | None = None
    """What some callers get in place of `version`."""
    since: AwareDatetime | None = None
    """When the channel came to `version`, where that was an earlier move."""

    @property
    def here_since(self) -> dt.datetime:
        """Since when the channel points to `version`."""
        return self.since or self.moved_at

    def arm_of(self, caller: str | None) -> Arm | None:
        """The arm of a caller; None without a canary, or where nobody says who calls."""
        if self.canary is None or not caller:
            return None
        return "canary" if self.canary.takes(self.kind, self.name, caller) else "control"

    def version_for(self, caller: str | None) -> Version:
        """The version that a caller gets: without a caller the one that the channel points to."""
        return self.canary.version if self.canary and self.arm_of(caller) == "canary" else self.version

    @staticmethod
    def parse(data: bytes, where: str) -> Move:
        """From JSON that anybody may have written. Raises ReleaseError naming the file and the field."""
        return parse(_MOVE, data, where)

    def to_json(self) -> bytes:
        """As it lies in `channels/` and in the journal."""
        return to_json(self, f"{self.kind}/{self.name}: a move")


def last_move(published: Storage, kind: str, name: str, channel: str = PRODUCTION) -> Move | None:
    """The move that put the channel where it is; None where it was never moved."""
    return read_pointer(published, channel_path(kind, name, channel))[0]


def channels(published: Storage, kind: str, name: str) -> dict[str, Move]:
    """Every channel of a name, with its last move."""
    paths = [entry.path for entry in published.list(f"{thing_folder(kind, name)}/channels")]
    moves = [read_pointer(published, path)[0] for path in paths if path.endswith(".json")]
    return {move.channel: move for move in moves if move}


def in_force(published: Storage, kind: str, name: str, channel: str = PRODUCTION) -> Move | None:
    """`last_move`, without a canary that was yanked: nobody gets that any more."""
    move = last_move(published, kind, name, channel)
    if move and move.canary and is_yanked(published, kind, name, move.canary.version):
        return replace(move, canary=None)
    return move


def resolve(
    published: Storage, kind: str, name: str, channel_or_version: str = PRODUCTION, caller: str | None = None
) -> Release:
    """The release a channel points to, or the one with this version. Raises NotReleased, Withdrawn for a yanked one.

    A `caller` who is in the arm of a channel's canary gets that.
    """
    version = channel_or_version
    if not is_version(channel_or_version):
        move = in_force(published, kind, name, channel_or_version)
        if move is None:
            known = ", ".join(channels(published, kind, name)) or "none"
            raise NotReleased(
                f"{published.url}/{kind}/{name}: nothing is released to channel {channel_or_version!r} "
                f"(channels: {known}); see `canonry releases list`"
            )
        version = move.version_for(caller)
    # First, since of an erased release nothing else is left.
    refuse_yanked(published, kind, name, version)
    return find(published, kind, name, version)


def promote(
    published: Storage,
    kind: str,
    name: str,
    version: str,
    *,
    channel: str = PRODUCTION,
    reason: str,
    now: dt.datetime,
    force: bool = False,
) -> Move:
    """Point a channel to a release, atomically; of two at once the later one wins.

    Gives the move that stands: the earlier one where the channel already points there. Raises Withdrawn for a version
    that was rolled back from (unless forced), ReleaseError for a release that does not verify.
    """
    path = channel_path(kind, name, channel)
    find(published, kind, name, version)
    refuse_yanked(published, kind, name, version)
    for attempt in range(ATTEMPTS):
        last, etag = read_pointer(published, path)
        if last and last.version == version:
            return last
        if last and version in last.withdrawn and not force:
            raise withdrawn_error(last, version)
        if attempt == 0:
            refuse_unsound(published, kind, name, version)
        earlier = tuple(each for each in (*last.earlier, last.version) if each != version) if last else ()
        withdrawn = tuple(each for each in last.withdrawn if each != version) if last else ()
        move = next_move(last, kind, name, channel, version, "promote", reason, now, earlier, withdrawn)
        try:
            published.put_if_match(path, move.to_json(), etag)
        except Conflict:
            time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
        else:
            return move
    raise ReleaseError(f"{published.url}/{path}: others moved it {ATTEMPTS} times meanwhile; try again")


def rollback(
    published: Storage,
    kind: str,
    name: str,
    *,
    channel: str = PRODUCTION,
    to: str | None = None,
    reason: str,
    now: dt.datetime,
) -> Move:
    """Point a channel back, by default to the version before; what is left behind is withdrawn.

    Going back several versions withdraws those between too. Never retried: where somebody else moves the channel
    meanwhile, what was meant to be taken back may not be there any more.
    """
    path = channel_path(kind, name, channel)
    last, etag = read_pointer(published, path)
    if last is None:
        raise NotReleased(f"{published.url}/{path}: nothing was released to this channel, so nothing can be taken back")
    target = to or (last.earlier[-1] if last.earlier else None)
    if target is None:
        raise ReleaseError(f"{published.url}/{path}: {last.version} has no version before it; name one with --to")
    if target == last.version:
        raise ReleaseError(f"{published.url}/{path}: is already at {target}")
    if target in last.withdrawn:
        raise withdrawn_error(last, target)
    refuse_yanked(published, kind, name, target)
    refuse_unsound(published, kind, name, target)
    kept = last.earlier.index(target) if target in last.earlier else len(last.earlier)
    withdrawn = tuple(sorted({*last.withdrawn, last.version, *last.earlier[kept + 1 :]}))
    move = next_move(last, kind, name, channel, target, "rollback", reason, now, last.earlier[:kept], withdrawn)
    try:
        published.put_if_match(path, move.to_json(), etag)
    except Conflict:
        raise ReleaseError(
            f"{published.url}/{path}: somebody moved it meanwhile, nothing was rolled back; look again with "
            f"`canonry releases show {kind} {name}`"
        ) from None
    return move


def next_move(
    last: Move | None,
    kind: str,
    name: str,
    channel: str,
    version: str,
    action: Literal["promote", "rollback", "canary"],
    reason: str,
    now: dt.datetime,
    earlier: tuple[str, ...],
    withdrawn: tuple[str, ...],
) -> Move:
    moved_at = utc(now)
    if last and moved_at <= last.moved_at:
        # Moves are named by their time in the journal; a clock that went back must not make two of one name.
        moved_at = last.moved_at + dt.timedelta(microseconds=1)
    previous = last.version if last else None
    earlier = earlier[-REMEMBERED:]
    return Move(cast(Kind, kind), name, channel, version, previous, action, moved_at, reason, earlier, withdrawn)


def read_pointer(published: Storage, path: str) -> tuple[Move | None, str | None]:
    # The tag first: where the pointer moves in between, writing with the older tag fails, as it should.
    entry = published.head(path)
    if entry is None:
        return None, None
    try:
        move = Move.parse(published.read(path), f"{published.url}/{path}")
    except NotFound:
        return None, None
    if channel_path(move.kind, move.name, move.channel) != path:
        raise ReleaseError(f"{published.url}/{path}: is the pointer of {move.kind}/{move.name} {move.channel}")
    return move, entry.etag


def refuse_unsound(published: Storage, kind: str, name: str, version: str) -> None:
    problems = verify(published, kind, name, version)
    if problems:
        raise ReleaseError(f"{kind}/{name} {version} does not verify, so nothing points to it: {'; '.join(problems)}")


def withdrawn_error(last: Move, version: str) -> Withdrawn:
    return Withdrawn(
        f"{last.kind}/{last.name} {version} was rolled back from on channel {last.channel} and stays withdrawn; "
        f"publish a corrected payload, or bring it back with promote(…, force=True)"
    )


_MOVE: TypeAdapter[Move] = TypeAdapter(Move)
