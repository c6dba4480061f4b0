"""Which code made something: the version that is installed, and a digest of its files."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import canonry


@cache
def code_version() -> str:
    """`0.1.0+1f0c53a9e2d4`: the library's version and a digest of its Python files; another byte is another version."""
    folder = Path(canonry.__file__).parent
    seen = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        seen.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return f"{canonry.__version__}+{seen.hexdigest()[:12]}"
