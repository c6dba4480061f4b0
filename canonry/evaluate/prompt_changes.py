"""What products changed about a registered prompt, from texts in which variables are filled in."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from canonry.evaluate.prompts import RegisteredPrompt

SHARED_BY = 3
"""Texts that must have a line for it to be taken as the prompt's, and shown."""
LEAST_SHARE = 0.2
"""And so large a share of them."""
APPENDED = 5
"""Different texts, at least, that must end alike for their end to be taken as the product's own, and half of them."""
FILLED = "{…}"
"""In place of what differs from call to call."""


def skeletons(texts: Sequence[str], prompt: RegisteredPrompt) -> list[tuple[str, ...]]:
    """Each text as lines of the prompt it was made from: what only few have, such as a question, is FILLED."""
    lines = [[" ".join(line.split()) for line in text.splitlines() if line.strip()] for text in texts]
    counts = Counter(line for each in lines for line in set(each))
    least = max(SHARED_BY, LEAST_SHARE * len(texts))
    patterns = _patterns(prompt)
    found = []
    for each in lines:
        kept: list[str] = []
        for line in each:
            template = next((own for pattern, own in patterns if pattern.fullmatch(line)), None)
            word = template or (line if counts[line] >= least else FILLED)
            if word != FILLED or kept[-1:] != [FILLED]:
                kept.append(word)
        found.append(tuple(_without_values(kept, prompt)))
    return found


def appended(texts: Sequence[str], prompt: RegisteredPrompt) -> frozenset[str]:
    """Last lines that a product added to a template that ends in a variable: `is_made_from` takes them for a value."""
    if prompt.pieces()[-1]:
        return frozenset()
    patterns = _patterns(prompt)
    counts = Counter(last_line(text) for text in set(texts))
    least = max(APPENDED, sum(counts.values()) / 2)
    return frozenset(
        line
        for line, count in counts.items()
        if count >= least and line and not any(pattern.fullmatch(line) for pattern, _ in patterns)
    )


def last_line(text: str) -> str:
    """The last line with anything in it, blanks run together."""
    lines = text.strip().splitlines()
    return " ".join(lines[-1].split()) if lines else ""


def changes(prompt: RegisteredPrompt, skeleton: Sequence[str]) -> str:
    """A unified diff from the registered template to what is used, without header; empty where nothing is shared."""
    if all(line == FILLED for line in skeleton):
        return ""
    diff = difflib.unified_diff(_template_lines(prompt), list(skeleton), lineterm="", n=1)
    return "\n".join(line for line in diff if not line.startswith(("---", "+++", "@@")))


def _without_values(lines: list[str], prompt: RegisteredPrompt) -> list[str]:
    """The lines with FILLED for all that stands between the template's lines around a variable on a line of its own."""
    template = _template_lines(prompt)
    for place, line in enumerate(template[1:-1], start=1):
        before, after = template[place - 1], template[place + 1]
        if line == FILLED and before in lines and after in lines[lines.index(before) + 1 :]:
            start = lines.index(before) + 1
            end = len(lines) - 1 - lines[::-1].index(after)
            lines = [*lines[:start], FILLED, *lines[end:]]
    return lines


def _template_lines(prompt: RegisteredPrompt) -> list[str]:
    """Lines of the template, FILLED for a variable on a line of its own."""
    lines = [" ".join(line.split()) for line in prompt.template.splitlines() if line.strip()]
    lone = {f"{{{name}}}" for name in prompt.variables}
    return [FILLED if line in lone else line for line in lines]


def _patterns(prompt: RegisteredPrompt) -> list[tuple[re.Pattern[str], str]]:
    """Lines of the template that have words beside their variables, with anything in the variables' place."""
    found = []
    for line in prompt.template.splitlines():
        own = " ".join(line.split())
        parts = re.split("|".join(re.escape(f"{{{name}}}") for name in prompt.variables) or "(?!)", own)
        if len(parts) == 2 and any(parts):
            found.append((re.compile(".*".join(map(re.escape, parts))), own))
    return found
