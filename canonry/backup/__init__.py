"""What a backup is: everything of a home that cannot be computed again, and a way back to it.

`backups/TIME.json.gz` is one backup: every object with its size, its SHA-256 and the pieces it is made of, written
last, so that without it there is no backup. `pieces/AB/SHA256` are the bytes, named by their digest and never changed:
a further backup copies what is new, and an interrupted one leaves the earlier ones as they were.
"""

from canonry.backup._manifest import Backup, BackupError, Kept, list_backups, read_backup
from canonry.backup._prune import keep_newest
from canonry.backup._restore import Restored, restore
from canonry.backup._take import Taken, take
from canonry.backup._verify import verify

__all__ = [
    "Backup",
    "BackupError",
    "Kept",
    "Restored",
    "Taken",
    "keep_newest",
    "list_backups",
    "read_backup",
    "restore",
    "take",
    "verify",
]
