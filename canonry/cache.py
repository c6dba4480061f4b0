"""The machine's cache of files that can be had again: CANONRY_CACHE, else `canonry` in the user's cache folder.

It may be emptied at any time; nothing is lost but time.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Its root; not created yet."""
    given = os.environ.get("CANONRY_CACHE")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "canonry"
