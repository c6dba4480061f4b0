"""Words to the product's log: what it has hung there may raise, but no call of it and no thread of ours."""

from __future__ import annotations

import contextlib
import logging

logger = logging.getLogger("canonry.client")


def note(level: int, message: str, *values: object) -> None:
    """Log a message. Raises nothing."""
    with contextlib.suppress(Exception):
        logger.log(level, message, *values, stacklevel=2)


class Once:
    """Warnings that are given once for what they are about, until that is over."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def warn(self, about: str, message: str, *values: object) -> None:
        """Warn, unless there was a warning about this already. Raises nothing."""
        if about not in self._given:
            self._given.add(about)
            note(logging.WARNING, message, *values)

    def over(self, about: str) -> None:
        """Should it come again, there is to be a warning again."""
        self._given.discard(about)
