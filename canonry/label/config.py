"""What a reviewer sees: Label Studio's labeling configuration, made from a scheme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from canonry.catalog import SchemeSpec

SPANS = "spans"
"""Name of the control that marks passages of the answer, and of their field in a result."""

SHOWN = ("product", "question", "passages", "answer", "answers", SPANS)
"""Names the configuration uses itself; no choice of a scheme may have one."""

# Passages are no dialogue: they have no times and nobody speaks, and nothing is marked in them.
_STYLE = (
    ".lsf-paragraphs [class*=wrapper_header], .lsf-paragraphs [class*=time--], .lsf-paragraphs button {display: none} "
    ".lsf-paragraphs [class*=titleWrapper], .lsf-paragraphs [class*=Text--] {overflow-wrap: anywhere; min-width: 0}"
)

_VARIABLE = re.compile(r"\$[\w{\[]")


def labeling_config(name: str, scheme: SchemeSpec, *, adjudication: bool = False) -> str:
    """XML of the labeling page: instructions; passages; beside them question, answer, marks on it, and the choices.

    With `adjudication`, what reviewers said so far stands before the choices.

    Raises ValueError where the scheme says something that Label Studio cannot show.
    """
    problems = list(_problems(scheme))
    if problems:
        raise ValueError("\n".join(f"assets/schemes/{name}.yaml: {problem}" for problem in problems))
    view = ElementTree.Element("View")
    _add(view, "Style").text = _STYLE
    _header(view, " ".join(scheme.instructions.split()), size="6")
    columns = _add(view, "View", style="display: flex; gap: 24px")
    passages = _add(columns, "View", style="flex: 1; min-width: 0; max-height: 75vh; overflow-y: auto")
    _header(passages, "Passages")
    shown = {"name": "passages", "value": "$passages", "layout": "dialogue", "nameKey": "chunk_id", "textKey": "text"}
    _add(passages, "Paragraphs", **shown)
    asked = _add(columns, "View", style="flex: 1; min-width: 0")
    _header(asked, "Question to $product")
    _add(asked, "Text", name="question", value="$question")
    _header(asked, "Answer")
    if scheme.spans:
        labels = _add(asked, "Labels", name=SPANS, toName="answer")
        for label in scheme.spans:
            _add(labels, "Label", value=label)
    _add(asked, "Text", name="answer", value="$answer", granularity="word")
    if adjudication:
        _header(asked, "Answers so far, of which yours decides")
        _add(asked, "Text", name="answers", value="$answers")
    for choice in scheme.choices:
        _header(asked, choice.question)
        answers = _add(asked, "Choices", name=choice.name, toName="answer", choice="single", required="true")
        for answer in choice.choices:
            _add(answers, "Choice", value=answer)
    ElementTree.indent(view)
    config = ElementTree.tostring(view, encoding="unicode") + "\n"
    _validate(name, config)
    return config


def _problems(scheme: SchemeSpec) -> Iterator[str]:
    texts = {"instructions": scheme.instructions}
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


def _header(parent: ElementTree.Element, text: str, size: str = "4") -> None:
    _add(parent, "Header", value=text, size=size)
