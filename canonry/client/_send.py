"""Where batches go: over HTTP to the service, or straight into a landing zone. Used by one thread at a time."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import logging
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from canonry.client._segment import Batch
from canonry.forked import unforked

if TYPE_CHECKING:
    import httpx

    from canonry.landing import LandingWriter

REFUSALS = (400, 401, 403, 413, 415, 422)
"""Answers that sending the same batch again would not change."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
LONGEST_RETRY_AFTER = 300.0

THREAD_NAME = "canonry-log"
"""What the names of our threads begin with."""


class Away(Exception):
    """The destination cannot take a batch now; `retry_after` is in seconds, where it said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(Exception):
    """The destination will never take this batch; with `too_large` it may take halves of it."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


@dataclass(frozen=True)
class Taken:
    """How many events of a batch were taken or were there already, how many rejected, and why the first of them was."""

    accepted: int
    rejected: int
    reason: str = ""


class Destination(Protocol):
    """Takes batches; `identity` tells destinations apart, and holds no secret."""

    identity: str

    def send(self, batch: Batch) -> Taken:
        """Hand over a batch. Raises Away or Refused."""

    def renew(self) -> None:
        """After a fork, in the child: forget connections and files that are the parent's."""

    def close(self) -> None:
        """Close connections and files; the next `send` opens them again."""


class ServiceDestination:
    """The platform's service at `url`, with a key that says whose events these are."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"CANONRY_URL: {url!r} is no address; write it as https://canonry.example.com")
        key = (api_key or "").strip()
        if not key.isascii() or any(character.isspace() for character in key):
            raise ValueError("CANONRY_API_KEY: holds a character that no key has; copy it again")
        self.url = url.rstrip("/")
        self.identity = f"{self.url} {_public_part(key)}"
        self._headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
        self._headers |= {"authorization": f"Bearer {key}"} if key else {}
        self._client: httpx.Client | None = None

    def send(self, batch: Batch) -> Taken:
        """POST a batch. Raises Away or Refused."""
        if self._client is None:
            self._client = _open_client()
        import httpx

        try:
            answer = self._client.post(f"{self.url}/v1/{batch.kind}", content=batch.body, headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Away(f"{type(error).__name__} at {self.url}") from None
        said = f"{self.url}/v1/{batch.kind} answered {answer.status_code}"
        if answer.status_code in REFUSALS:
            advice = "; is CANONRY_API_KEY right?" if answer.status_code in (401, 403) else ""
            raise Refused(said + advice, too_large=answer.status_code == 413)
        if not answer.is_success:
            raise Away(said, _retry_after(answer.headers.get("retry-after")))
        return _taken(batch, answer)

    def renew(self) -> None:
        """Forget the connections. They are not closed: their other end is the parent's, too."""
        self._client = None

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


class LandingDestination:
    """A landing zone that this process can write, for programs on the platform's own machine.

    Text is redacted as the source's YAML says, which is looked for in CANONRY_ASSETS, by default `./assets`. Without it
    nothing is written: nobody knows how the text is to be redacted.
    """

    def __init__(self, home: str, source: str) -> None:
        self._home = home
        self._source = source
        self.identity = f"{home} {source}"
        self._writer: LandingWriter | None = None

    def send(self, batch: Batch) -> Taken:
        """Append a batch. Raises Away; also where it cannot be redacted, since it is not written then."""
        from canonry.storage import StorageError

        if self._writer is None:
            try:
                with unforked():
                    self._writer = self._open()
            except Away:
                raise
            except ModuleNotFoundError as error:
                said = f"writing straight into landing needs {error.name}; run: pip install 'canonry[service]'"
                raise Away(said) from None
            except Exception as error:
                raise Away(f"{type(error).__name__}: {error}") from None
        try:
            receipt = self._writer.append(batch.kind, gzip.decompress(batch.body).split(b"\n"))
        except (OSError, StorageError, ValueError) as error:
            raise Away(f"{type(error).__name__}: {error}") from None
        return Taken(receipt.accepted, len(receipt.unreadable), *(shown(why) for _, why in receipt.unreadable[:1]))

    def _open(self) -> LandingWriter:
        from canonry import catalog
        from canonry.landing import LandingWriter
        from canonry.people import hash_key
        from canonry.redact import Redactor
        from canonry.storage import open_zones

        assets = Path(os.environ.get("CANONRY_ASSETS") or "assets").absolute()
        governed = assets / "sources" / f"{self._source}.yaml"
        if not governed.is_file():
            raise Away(f"{governed} is not there to say how text is redacted; set CANONRY_ASSETS, or add it")
        redact = Redactor.from_spec(catalog.load(assets).sources[self._source].redaction, hash_key())
        return LandingWriter(open_zones(self._home).landing, self._source, redact=redact)

    def renew(self) -> None:
        """Forget the writer: two processes must not append to one segment."""
        self._writer = None

    def close(self) -> None:
        """Forget the writer: it has no file open in between."""
        self._writer = None


def shown(reason: str) -> str:
    """A reason as it may be logged: without what it quotes, which is the product's own data."""
    return re.sub(r"""(['"`]).*\1""", "…", reason, flags=re.DOTALL)[:200]


def _public_part(key: str) -> str:
    """The part of a key that is no secret, `cnr_<id>`; events logged with one key are never sent with another."""
    return "_".join(key.split("_")[:2]) if key.count("_") >= 2 else hashlib.sha256(key.encode()).hexdigest()[:16]


def _taken(batch: Batch, answer: httpx.Response) -> Taken:
    """Counts from the answer; a 2xx without any took everything."""
    try:
        document: Any = answer.json()
        rejected = max(0, min(int(document.get("rejected", 0)), batch.events))
        reasons = [each.get("reason") for each in document.get("results", ()) if each.get("status") == "rejected"]
    except (ValueError, TypeError, AttributeError):
        return Taken(batch.events, 0)
    return Taken(batch.events - rejected, rejected, shown(str(reasons[0])) if reasons else "")


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a number or a date, at most LONGEST_RETRY_AFTER; None where it says neither."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        import email.utils

        try:
            moment = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        seconds = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None


def _open_client() -> httpx.Client:
    """A client with all that it needs imported, so that no fork comes in the midst of that."""
    with unforked():
        # The second is what looking up a host's name imports.
        import encodings.idna

        import httpx

        assert encodings.idna
        for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
            _hush(logging.getLogger(name))
        return httpx.Client(timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))


def _hush(logger: logging.Logger) -> None:
    """Keep our own requests, made by our own threads, out of the product's log, and from the filters it has there."""
    if not any(isinstance(each, _OwnThreads) for each in logger.filters):
        logger.filters.insert(0, _OwnThreads())


class _OwnThreads(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not threading.current_thread().name.startswith(THREAD_NAME)
