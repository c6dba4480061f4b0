"""A stand-in judge that reads as a model would: it grades what stands between the marks it was told of."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from typing import Any

from tests.completions.stand_in import Reply

Grade = Callable[[str], str]
"""From an answer to a verdict."""


def sensible(answer: str) -> str:
    """A judge that works: an answer that speaks of llamas is unsupported."""
    return "unsupported" if "llama" in answer else "supported"


def harsh(answer: str) -> str:
    """Another judge: every other answer does not please it, whatever it says."""
    return "unsupported" if "llama" in answer or zlib.crc32(answer.encode()) % 2 else "supported"


def judging_with(grade: Grade) -> Callable[[dict[str, Any], int], Reply]:
    """The stand-in's behaviour: one JSON object with a verdict on the fenced answer."""

    def behave(document: dict[str, Any], number: int) -> Reply:
        return Reply(json.dumps({"verdict": grade(fenced(document, "answer"))}))

    return behave


def fenced(document: dict[str, Any], name: str) -> str:
    """What stands between the marks of a request's own fences, whatever else looks like one."""
    system, user = (message["content"] for message in document["messages"])
    found = re.search(r"<answer-([0-9a-f]{16})>", system)
    assert found, "the judge is not told its mark"
    inside = re.search(rf"<{name}-{found[1]}>\n(.*?)\n</{name}-{found[1]}>", user, re.DOTALL)
    assert inside, f"no {name} is fenced"
    return inside[1]
