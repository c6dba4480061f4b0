"""Zones on an S3-compatible object store, through obstore (extra `s3`)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from canonry.storage._seam import Conflict, Entry, NotFound, StorageError, Unreachable, parts_of

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import S3Store


class ObjectStorage:
    """A prefix in a bucket, `s3://bucket/prefix`.

    Credentials, region and endpoint come from the standard AWS variables of the environment. A conditional
    write is the store's own (If-None-Match, If-Match), so several machines may publish.
    """

    appends = False

    def __init__(self, url: str) -> None:
        try:
            from obstore.store import S3Store
        except ImportError:
            raise StorageError(f"{url}: object storage needs the extra: pip install 'canonry[s3]'") from None
        self.url = url.rstrip("/")
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        options: dict[str, Any] = {}
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            options["client_options"] = {"allow_http": True}
        self._store: S3Store = S3Store(bucket, prefix=prefix or None, **options)

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        import obstore

        with self._errors(path):
            if start == 0 and end is None:
                return bytes(obstore.get(self._store, path).bytes())
            # A range that reaches past the end is an error to some stores.
            size = obstore.head(self._store, path)["size"]
            end = size if end is None else min(end, size)
            return bytes(obstore.get_range(self._store, path, start=start, end=end)) if start < end else b""

    def head(self, path: str) -> Entry | None:
        import obstore

        try:
            with self._errors(path):
                meta = obstore.head(self._store, path)
        except NotFound:
            return None
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def list(self, prefix: str = "") -> Iterator[Entry]:
        import obstore

        with self._errors(prefix or "."):
            entries = [
                Entry(meta["path"], meta["size"], meta["e_tag"] or "")
                for page in obstore.list(self._store, prefix or None, chunk_size=1000)
                for meta in page
            ]
        yield from sorted(entries)

    def folders(self, prefix: str) -> tuple[str, ...]:
        import obstore

        with self._errors(prefix):
            found = obstore.list_with_delimiter(self._store, prefix)
        return tuple(sorted(path.rsplit("/", 1)[-1] for path in found["common_prefixes"]))

    def put(self, path: str, data: bytes) -> None:
        import obstore

        with self._errors(path):
            obstore.put(self._store, path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        try:
            self.put_if_match(path, data, None)
        except Conflict:
            return False
        return True

    def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._errors(path):
            mode: Literal["create"] | UpdateVersion = "create"
            changed: tuple[type[Exception], ...] = (AlreadyExistsError, PreconditionError)
            if etag is not None:
                mode = {"e_tag": etag}
                changed += (FileNotFoundError,)
            try:
                obstore.put(self._store, path, data, mode=mode)
            except changed:
                message = f"{self.url}/{path}: changed by another writer; read it again and retry"
                raise Conflict(message) from None

    def put_file(self, path: str, source: Path) -> None:
        import obstore

        with self._errors(path):
            obstore.put(self._store, path, source)

    def copy(self, source: str, path: str) -> None:
        import obstore

        parts_of(path, self.url)
        with self._errors(source):
            obstore.copy(self._store, source, path)

    def append(self, path: str, data: bytes) -> None:
        raise StorageError(f"{self.url}/{path}: an object store cannot append; put each batch as an object")

    def delete(self, path: str) -> None:
        import obstore

        if self.head(path):
            with self._errors(path):
                obstore.delete(self._store, path)

    @contextmanager
    def local_copy(self, path: str) -> Iterator[Path]:
        import obstore

        with tempfile.TemporaryDirectory(prefix="canonry-") as folder:
            target = Path(folder, path.rsplit("/", 1)[-1])
            with self._errors(path), open(target, "wb") as file:
                for part in obstore.get(self._store, path).stream(min_chunk_size=8 << 20):
                    file.write(bytes(part))
            yield target

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, GenericError

        if path != ".":
            parts_of(path, self.url)
        self._refuse_after_fork()
        try:
            yield
        except FileNotFoundError:
            raise NotFound(f"{self.url}/{path}: no such object") from None
        except BaseError as error:
            # Whatever is not the store's own answer is of this class: no connection, no end, an answer of 500.
            kind = Unreachable if isinstance(error, GenericError) else StorageError
            raise kind(f"{self.url}/{path}: {str(error).splitlines()[0]}") from None

    def _refuse_after_fork(self) -> None:
        global _used_in
        if _used_in is None:
            _used_in = os.getpid()
        elif _used_in != os.getpid():
            raise StorageError(
                f"{self.url}: this process was forked from one that had used an object store, whose threads a fork "
                "ends, and would wait for ever; use it in workers alone (gunicorn: open indexes and logs in post_fork, "
                "or leave --preload out), start workers with `spawn`, or set CANONRY_URL to read from the service"
            )


_used_in: int | None = None
"""The process that used an object store first. obstore has one set of threads a process, and no way to renew them."""
