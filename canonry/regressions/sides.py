"""Both sides of a comparison of prompts or models: which prompt, which model, and how it answers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonry.catalog import Catalog
from canonry.catalog.specs import ComparisonSpec
from canonry.client import Prompt
from canonry.completions import Endpoint, NotConfigured, configured_endpoint
from canonry.demo.answerer import PROVIDER
from canonry.publish.waiting import PROMPT_FILE, model_sides, prompt_sides, released_models
from canonry.regressions.answering import Answer, Asked, Endpointed
from canonry.regressions.items import Item
from canonry.release import NotReleased, resolve
from canonry.storage import Zones


class NothingToCompare(Exception):
    """No candidate waits, or what it is to be compared with is not there; the message says which."""


@dataclass(frozen=True)
class Side:
    """A prompt and a model version that answer together; `version` is that of what differs."""

    version: str
    model: str
    prompt: Prompt
    answer: Answer

    def ask(self, items: Sequence[Item]) -> list[Asked]:
        """Each item as this side is asked it."""
        asked = []
        for item in items:
            texts = {"question": item.question, "passages": "\n\n".join(item.passages)}
            rendered = self.prompt.render(**{name: texts[name] for name in self.prompt.variables})
            asked.append(Asked(rendered, item.question, item.passages))
        return asked

    def known(self, items: Sequence[Item]) -> list[str | None]:
        """Answers that cost nothing: made on this machine, or kept; None of those that are not."""
        asked = self.ask(items)
        return self.answer.known(asked) if isinstance(self.answer, Endpointed) else list(self.answer(asked))


def sides_of(
    zones: Zones,
    catalog: Catalog,
    spec: ComparisonSpec,
    day: dt.date,
    environment: Mapping[str, str] | None,
    tell: Callable[[int], None] | None,
) -> tuple[Side, Side, dict[str, str | None]]:
    """What is released, the candidate, and what both share. Raises NothingToCompare, NotReleased, NotConfigured."""
    name, other = spec.candidate.name, spec.answered_with or ""
    if spec.candidate.kind == "prompts":
        found = prompt_sides(zones, name, catalog.prompts[name], day)
        if found is None or not found.waits:
            raise NothingToCompare(f"prompts/{name}: the text in force is the one that is released")
        version = released_version(zones, catalog, other)
        prompts = [
            _prompt(name, *each)
            for each in ((found.released, found.released_text), (found.candidate, found.candidate_text))
        ]
        sides = [_side(zones, catalog, spec, other, version, each.version, each, environment, tell) for each in prompts]
        return sides[0], sides[1], {"model": f"{other} {version}"}
    waiting = model_sides(zones, name, catalog.models[name], day)
    if waiting is None or not waiting.waits:
        raise NothingToCompare(f"models/{name}: the version in force is the one that is released")
    try:
        release = resolve(zones.published, "prompts", other)
    except NotReleased:
        raise NothingToCompare(f"prompts/{other}: is not released yet, and {name} is asked with it") from None
    prompt = _prompt(other, release.version, json.loads(release.read(PROMPT_FILE)))
    before, after = (
        _side(zones, catalog, spec, name, version, version, prompt, environment, tell)
        for version in (waiting.released, waiting.candidate)
    )
    return before, after, {"prompt": f"{other} {prompt.version}"}


def released_version(zones: Zones, catalog: Catalog, name: str) -> str:
    """The version of a model that answers now: the released one, else the last of its versions, else its name."""
    meant = (released_models(zones.published).get(name) or {}).get("version")
    versions = catalog.models[name].versions
    return meant or (versions[-1] if versions else name)


def _side(
    zones: Zones,
    catalog: Catalog,
    spec: ComparisonSpec,
    model: str,
    model_version: str,
    version: str,
    prompt: Prompt,
    environment: Mapping[str, str] | None,
    tell: Callable[[int], None] | None,
) -> Side:
    if catalog.models[model].provider == PROVIDER:
        from canonry.demo.answering import answer_here

        return Side(version, model_version, prompt, answer_here(zones.home, model_version, prompt))
    try:
        endpoint: Endpoint | None = configured_endpoint(environment)
    except NotConfigured:
        # What was answered before can still be compared, and what it would cost be said.
        endpoint = None
    answer = Endpointed(endpoint, zones.journal, model_version, spec.parameters, spec.at_once, tell)
    return Side(version, model_version, prompt, answer)


def _prompt(name: str, version: str, document: Mapping[str, Any] | None) -> Prompt:
    assert document is not None
    since = dt.date.fromisoformat(document["since"])
    return Prompt(name, version, document["template"], tuple(document["variables"]), since, document["change"])
