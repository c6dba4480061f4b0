"""Which callers get a canary: by a stable hash, so that each keeps its arm, and a growing share only adds callers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from canonry.release._paths import Version

CANARIES = ("indexes", "prompts")
"""Kinds that are read by callers who can be told apart, and so may have a canary."""

Arm = Literal["canary", "control"]
"""What a call logs as its `arm`, so that monitors compare the two."""


@dataclass(frozen=True)
class Canary:
    """A candidate that a share of the callers, above 0 and below 1, gets in place of what the channel points to."""

    version: Version
    share: Annotated[float, Field(gt=0, lt=1)]

    def takes(self, kind: str, name: str, caller: str) -> bool:
        """Whether this caller gets the candidate. Another version draws its callers anew."""
        drawn = "\0".join((kind, name, self.version, caller)).encode(errors="surrogatepass")
        digest = hashlib.blake2b(drawn, digest_size=8, person=b"canonry.canary").digest()
        return int.from_bytes(digest, "big") < self.share * 2**64
