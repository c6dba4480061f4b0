"""People's ids are stored under a key or not at all."""

from __future__ import annotations

import hashlib

import pytest

from canonry.people import hash_key, user_hash


def test_a_hash_is_one_persons_under_one_key(monkeypatch):
    monkeypatch.setenv("CANONRY_HASH_KEY", "one")
    one = hash_key()
    monkeypatch.setenv("CANONRY_HASH_KEY", "another")
    another = hash_key()
    assert user_hash("ada", one) == user_hash(" ada ", one)
    assert len({user_hash("ada", one), user_hash("ada", another), user_hash("bob", one)}) == 3
    assert user_hash("ada", one) not in {
        hashlib.new(name, b"ada", **size).hexdigest() for name, size in (("md5", {}), ("blake2b", {"digest_size": 16}))
    }


def test_a_user_is_not_the_reviewer_of_the_same_number():
    key = b"k" * 32
    assert user_hash("5", key) != hashlib.blake2b(b"5", digest_size=16, key=key).hexdigest()


def test_without_a_key_no_user_is_hashed(monkeypatch):
    monkeypatch.delenv("CANONRY_HASH_KEY", raising=False)
    assert hash_key() == b""
    with pytest.raises(ValueError, match="set CANONRY_HASH_KEY"):
        user_hash("ada", hash_key())
