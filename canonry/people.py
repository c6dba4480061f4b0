"""People are never named in what Canonry stores: their ids become hashes under a key that only the platform has.

A hash is the same wherever one key is set, so that what one person did can be counted, and erased on request; another
key makes other people of them.
"""

from __future__ import annotations

import hashlib
import os


def hash_key() -> bytes:
    """The key that people's ids are hashed with, 32 bytes made of CANONRY_HASH_KEY; empty where that is not set.

    Set it once and keep it. Without it, users' ids are left out (`user_hash` refuses), and reviewers' hashes are plain:
    they tell reviewers apart, but do not hide who they are.
    """
    secret = os.environ.get("CANONRY_HASH_KEY", "").encode()
    return hashlib.blake2b(secret, digest_size=32).digest() if secret else b""


def user_hash(user_id: str, key: bytes) -> str:
    """A user's id as it is stored: 32 hex digits of BLAKE2b under the key, spaces around the id apart.

    Raises ValueError without a key: anybody who can list the users could then find whose hash it is.
    """
    if not key:
        raise ValueError("no key to hash a user's id with; set CANONRY_HASH_KEY (openssl rand -hex 32)")
    identifier = user_id.strip().encode(errors="surrogatepass")
    return hashlib.blake2b(identifier, digest_size=16, key=key, person=b"canonry.user").hexdigest()
