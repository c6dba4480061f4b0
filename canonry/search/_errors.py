"""What can be wrong with an index or a query."""

from __future__ import annotations


class SearchError(ValueError):
    """An index or a query cannot be used; the message says why."""
