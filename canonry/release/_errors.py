"""What can be wrong with a release; every message says what to do."""

from __future__ import annotations


class ReleaseError(Exception):
    """Something about a release does not hold."""


class NotReleased(ReleaseError):
    """There is no such release, or the channel points nowhere yet."""


class Withdrawn(ReleaseError):
    """A person rolled back from this version; only force brings it back."""


class Damaged(ReleaseError):
    """A file is not what the manifest says. `found` is None where there is no file."""

    def __init__(self, path: str, expected: str, found: str | None, remedy: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        state = f"is damaged: found sha256 {found}" if found else "is missing"
        super().__init__(f"{path} {state}, expected {expected}; {remedy}")
