"""What a reviewer sees: Label Studio's labeling configuration, made from a scheme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from itertools import cycle
from xml.etree import ElementTree

from canonry.catalog import SchemeSpec

SPANS = "spans"
"""Name of the control that marks passages of the answer, and of their field in a result."""

SHOWN = ("product", "question", "passages", "answer", "answers", SPANS)
"""Names the configuration uses itself; no choice of a scheme may have one."""

ANSWER_KEYS = "1234567890"
SPAN_KEYS = "asdfgqwzxc"
"""Hotkeys of answers and of span labels, in the scheme's order: under one hand, and none of Label Studio's own.

Label Studio finds keys for what is left over, among those that are free.
"""

_COLOURS = ("#e8590c", "#7048e8", "#0c8599", "#c2255c", "#8d6e00", "#1971c2")
"""Of marks, by label: readable under text in both themes, and none green, which would say that all is well."""

_VARIABLE = re.compile(r"\$[\w{\[]")


def labeling_config(name: str, scheme: SchemeSpec, *, adjudication: bool = False) -> str:
    """XML of the labeling page: the question; below it passages, and beside them the answer, its marks and the choices.

    With `adjudication`, what reviewers said so far stands before the choices. Instructions are no part of it: Label
    Studio shows a project's own before the first item, and on a button.

    Raises ValueError where the scheme says something that Label Studio cannot show.
    """
    problems = list(_problems(scheme))
    if problems:
        raise ValueError("\n".join(f"assets/schemes/{name}.yaml: {problem}" for problem in problems))
    page = _page(scheme, adjudication)
    ElementTree.indent(page)
    config = ElementTree.tostring(page, encoding="unicode") + "\n"
    _validate(name, config)
    return config


def _page(scheme: SchemeSpec, adjudication: bool) -> ElementTree.Element:
    page = ElementTree.Element("View", className="canonry")
    _add(page, "Style").text = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    asked = _add(page, "View", className="canonry-question")
    _header(asked, "Question to $product")
    _add(asked, "Text", name="question", value="$question", selectionEnabled="false")
    passages = _add(page, "View", className="canonry-passages")
    _header(passages, "Passages")
    shown = {"name": "passages", "value": "$passages", "layout": "dialogue", "nameKey": "chunk_id", "textKey": "text"}
    _add(passages, "Paragraphs", **shown)
    _judged(_add(page, "View", className="canonry-answer"), scheme, adjudication)
    return page


def _judged(judged: ElementTree.Element, scheme: SchemeSpec, adjudication: bool) -> None:
    answer_keys, span_keys, colours = iter(ANSWER_KEYS), iter(SPAN_KEYS), cycle(_COLOURS)
    _header(judged, "Answer")
    if scheme.spans:
        labels = _add(judged, "Labels", name=SPANS, toName="answer")
        for label in scheme.spans:
            _add(labels, "Label", value=label, background=next(colours), **_hotkey(span_keys))
    _add(judged, "Text", name="answer", value="$answer", granularity="word")
    if adjudication:
        said = _add(judged, "View", className="canonry-said")
        _header(said, "Answers so far, of which yours decides")
        _add(said, "Text", name="answers", value="$answers", selectionEnabled="false")
    for choice in scheme.choices:
        _header(judged, choice.question)
        answers = _add(judged, "Choices", name=choice.name, toName="answer", choice="single-radio", required="true")
        for answer in choice.choices:
            _add(answers, "Choice", value=answer, **_hotkey(answer_keys))


def _problems(scheme: SchemeSpec) -> Iterator[str]:
    texts = {}
    for number, choice in enumerate(scheme.choices):
        if choice.name in SHOWN:
            yield f"choices.{number}.name: {choice.name!r} names a part of the page; give the choice another name"
        texts[f"choices.{number}.question"] = choice.question
        texts |= {f"choices.{number}.choices.{place}": answer for place, answer in enumerate(choice.choices)}
    texts |= {f"spans.{place}": label for place, label in enumerate(scheme.spans)}
    for field, text in texts.items():
        if _VARIABLE.search(text):
            yield f"{field}: Label Studio reads $ before a letter or digit as a variable; write it another way"
        if any(ord(character) < 32 and character not in "\t\n\r" for character in text):
            yield f"{field}: has a control character, which XML cannot hold"


def _validate(name: str, config: str) -> None:
    from label_studio_sdk.label_interface import LabelInterface  # half a second: only where a page is made

    try:
        LabelInterface(config).validate()
    except Exception as error:  # the interface documents no narrower class
        raise ValueError(f"assets/schemes/{name}.yaml: Label Studio cannot show this scheme: {error}") from error


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _header(parent: ElementTree.Element, text: str) -> None:
    _add(parent, "Header", value=text, size="6")


def _hotkey(keys: Iterator[str]) -> dict[str, str]:
    key = next(keys, None)
    return {"hotkey": key} if key else {}
