"""Which landing writer takes a source's events: one that redacts them as the source's YAML says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from canonry import catalog
from canonry.landing import LandingWriter
from canonry.people import hash_key
from canonry.redact import Redactor
from canonry.service.access import LOCAL
from canonry.service.problems import Problem, retry_after
from canonry.storage import Storage


class SourceWriter(NamedTuple):
    """A source's writer, and whether it looks at every word, which takes milliseconds and one thread at a time."""

    writer: LandingWriter
    thorough: bool


def writers(landing: Storage, assets: Path) -> Callable[[str], SourceWriter]:
    """Makes the writer of a source. What `assets` says is read once, now. Raises CatalogError.

    A source that is not governed raises Problem 503, not 403: nobody knows how its text is to be redacted, so nothing
    of it is stored, and clients keep it until somebody has added the source.
    """
    sources = catalog.load(assets).sources

    def make(source: str) -> SourceWriter:
        spec = sources.get(source)
        if spec is None and source != LOCAL.source:
            detail = f"this key's source {source} is not governed here: add assets/sources/{source}.yaml and restart"
            raise Problem(503, detail, headers=retry_after(60))
        redaction = spec.redaction if spec else None
        redactor = Redactor.from_spec(redaction, hash_key())
        return SourceWriter(LandingWriter(landing, source, redact=redactor), redactor.content != "keep")

    return make
