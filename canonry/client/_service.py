"""What is published, read through the service: the same paths as on disk, over HTTP, for reading only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from canonry.forked import unforked
from canonry.storage import Entry, NotFound, StorageError, Unreachable

if TYPE_CHECKING:
    import httpx

_ATTEMPTS = 4
"""How often a download that broke off is taken up where it ended."""


class ServiceAway(Unreachable):
    """The service cannot be reached, or cannot answer at the moment."""


class ServiceStorage:
    """`published` as the service hands it out. `url` is the service's; the key is an API key with the scope to read."""

    appends = False

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._clients: dict[int, httpx.Client] = {}

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        headers = {} if start == 0 and end is None else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        if end is not None and end <= start:
            return b""
        answer = self._ask("GET", path, headers)
        if answer.status_code == 416:
            return b""
        return self._checked(answer, path).content

    def head(self, path: str) -> Entry | None:
        try:
            answer = self._ask("HEAD", path, {})
            if answer.is_error and answer.status_code != 404:
                # An answer to HEAD has no room for the reason.
                answer = self._ask("GET", path, {"Range": "bytes=0-0"})
            self._checked(answer, path)
        except NotFound:
            return None
        return Entry(path, int(answer.headers.get("content-length", 0)), answer.headers.get("etag", ""))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Manifests and pointers of one thing, `KIND/NAME` or a folder of it: what finding a release asks for."""
        kind, name, *_ = [*prefix.split("/"), "", ""]
        if not kind or not name:
            raise StorageError(f"{self.url}: releases are listed by kind and name, not under {prefix!r}")
        try:
            found = self._checked(self._get(f"/v1/releases/{quote(kind)}/{quote(name)}"), prefix).json()
        except NotFound:
            return
        paths = [f"{kind}/{name}/channels/{channel}.json" for channel in found["channels"]]
        paths += [f"{kind}/{name}/releases/{each['version']}/manifest.json" for each in found["releases"]]
        yield from (Entry(path, 0, "") for path in sorted(paths) if path.startswith(f"{prefix}/"))

    def folders(self, prefix: str) -> tuple[str, ...]:
        raise StorageError(f"{self.url}: releases are listed by kind and name, not under {prefix!r}")

    @contextmanager
    def local_copy(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="canonry-") as folder:
            target = Path(folder, "file")
            self._download(path, target)
            yield target

    def put(self, path: str, data: bytes) -> None:
        self._refuse()

    def put_if_absent(self, path: str, data: bytes) -> bool:
        self._refuse()

    def put_if_match(self, path: str, data: bytes, etag: str | None) -> None:
        self._refuse()

    def put_file(self, path: str, source: Path) -> None:
        self._refuse()

    def copy(self, source: str, path: str) -> None:
        self._refuse()

    def append(self, path: str, data: bytes) -> None:
        self._refuse()

    def delete(self, path: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StorageError(f"{self.url}: releases are read through the service, and published on the platform")

    def _download(self, path: str, target: Path) -> None:
        client = self._client()
        import httpx

        for attempt in range(_ATTEMPTS):
            done = target.stat().st_size if target.exists() else 0
            headers = {"Range": f"bytes={done}-"} if done else {}
            try:
                with client.stream("GET", self._url(path), headers=headers) as answer:
                    if answer.status_code == 416 and done:
                        return
                    if answer.is_error:
                        answer.read()
                    self._checked(answer, path)
                    with open(target, "ab" if answer.status_code == 206 else "wb") as file:
                        # As they come: what is gathered first is lost where the connection breaks.
                        for part in answer.iter_bytes():
                            file.write(part)
                return
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS - 1:
                    raise self._away(error) from None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        return self._get(self._url(path), method, headers)

    def _get(self, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> httpx.Response:
        client = self._client()
        import httpx

        try:
            return client.request(method, url, headers=headers)
        except httpx.TransportError as error:
            raise self._away(error) from None

    def _url(self, path: str) -> str:
        match path.split("/"):
            case [kind, name, "channels", pointer] if pointer.endswith(".json"):
                parts = ["channels", kind, name, pointer.removesuffix(".json")]
            case [kind, name, "releases", version, *file] if file:
                parts = ["releases", kind, name, version, *file]
            case _:
                raise StorageError(f"{path!r} is no release and no channel")
        return "/v1/" + "/".join(quote(part, safe="") for part in parts)

    def _client(self) -> httpx.Client:
        # Connections are not shared with the process that this one was forked from.
        process = os.getpid()
        if process not in self._clients:
            # It may be a thread beside the product's own that imports this.
            with unforked():
                import httpx

                headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
                timeout = httpx.Timeout(30, connect=3)
                transport = httpx.HTTPTransport(retries=1)
                self._clients[process] = httpx.Client(
                    base_url=self.url, headers=headers, timeout=timeout, transport=transport
                )
        return self._clients[process]

    def _checked(self, answer: Any, path: str) -> Any:
        if not answer.is_error:
            return answer
        if answer.status_code == 404:
            raise NotFound(f"{self.url}: {path}: no such object")
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = answer.reason_phrase
        message = f"{self.url}: {path}: {answer.status_code}: {detail}"
        if answer.status_code == 410:
            from canonry.release import Withdrawn

            raise Withdrawn(message)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise ServiceAway(message)
        raise StorageError(f"{message}; CANONRY_API_KEY is the key that was sent" if self._key else message)

    def _away(self, error: Exception) -> ServiceAway:
        return ServiceAway(f"{self.url}: cannot be reached: {error or type(error).__name__}")
