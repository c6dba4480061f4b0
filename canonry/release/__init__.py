"""What a release is: an immutable payload with its manifest, found by its digest or through a channel.

`published/KIND/NAME/releases/VERSION/` holds the payload and, written last, `manifest.json`: without it there is no
release. `published/KIND/NAME/channels/CHANNEL.json` is the last move of a pointer, replaced atomically.
"""

from canonry.release._arm import CANARIES, Arm, Canary
from canonry.release._cache import Cache
from canonry.release._canary import start_canary, stop_canary
from canonry.release._channel import PRODUCTION, Move, channels, in_force, last_move, promote, resolve, rollback
from canonry.release._errors import Damaged, NotReleased, ReleaseError, Withdrawn
from canonry.release._journalled import journal_path, journalled_moves
from canonry.release._local import LocalFiles, local_files, made_from
from canonry.release._manifest import File, Manifest, payload_version
from canonry.release._paths import KINDS, Kind, is_version
from canonry.release._retire import erase, prunable, prune, unyank, yank
from canonry.release._store import Release, list_releases, names, publish, verify
from canonry.release._yank import Yank, is_yanked, yank_of

__all__ = [
    "CANARIES",
    "KINDS",
    "PRODUCTION",
    "Arm",
    "Cache",
    "Canary",
    "Damaged",
    "File",
    "Kind",
    "LocalFiles",
    "Manifest",
    "Move",
    "NotReleased",
    "Release",
    "ReleaseError",
    "Withdrawn",
    "Yank",
    "channels",
    "erase",
    "in_force",
    "is_version",
    "is_yanked",
    "journal_path",
    "journalled_moves",
    "last_move",
    "list_releases",
    "local_files",
    "made_from",
    "names",
    "payload_version",
    "promote",
    "prunable",
    "prune",
    "publish",
    "resolve",
    "rollback",
    "start_canary",
    "stop_canary",
    "unyank",
    "verify",
    "yank",
    "yank_of",
]
