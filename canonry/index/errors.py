"""What can be wrong while an index is built."""

from __future__ import annotations


class IndexBuildError(Exception):
    """An index that cannot be built; the message names the file, the line and field, and what to do."""
