"""reStructuredText as Markdown: headings, paragraphs, lists, code and tables; nothing that it names is opened."""

from __future__ import annotations

import io
from collections.abc import Iterator

from docutils import core, nodes

_SETTINGS = {
    # Text from outside must not read files of this machine.
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "doctitle_xform": False,
    "sectsubtitle_xform": False,
    "_disable_config": True,
    "line_length_limit": 1_000_000,
}
_DISABLED = ("include", "raw", "csv-table")


def rst_to_markdown(text: str) -> str:
    """The document as Markdown. What a directive that docutils does not know holds is kept as text."""
    document = core.publish_doctree(text, settings_overrides={**_SETTINGS, "warning_stream": io.StringIO()})
    return "\n\n".join(_blocks(document, 0)) + "\n"


def _blocks(node: nodes.Node, depth: int) -> Iterator[str]:
    for child in node.children:
        match child:
            case nodes.section():
                yield from _blocks(child, depth + 1)
            case nodes.title():
                yield f"{'#' * min(max(depth, 1), 6)} {_line(child)}"
            case nodes.literal_block() | nodes.doctest_block():
                fence = "````" if "```" in child.astext() else "```"
                yield f"{fence}\n{child.astext()}\n{fence}"
            case nodes.system_message():
                yield from _unknown_directive(child)
            case nodes.comment() | nodes.substitution_definition() | nodes.target() | nodes.docinfo():
                continue
            case nodes.bullet_list() | nodes.enumerated_list():
                yield "\n".join(f"- {_indented(item)}" for item in child.children)
            case nodes.definition_list_item():
                words = [_line(each) for each in child.children if isinstance(each, nodes.term)]
                said = [
                    block
                    for each in child.children
                    if isinstance(each, nodes.definition)
                    for block in _blocks(each, depth)
                ]
                yield "\n\n".join([", ".join(words), *said])
            case nodes.row():
                yield " | ".join(_line(entry) for entry in child.children)
            case nodes.TextElement():
                if words := child.astext().strip():
                    yield words
            case _:
                yield from _blocks(child, depth)


def _unknown_directive(message: nodes.system_message) -> Iterator[str]:
    for block in message.findall(nodes.literal_block):
        lines = block.astext().splitlines()
        name, _, argument = lines[0].strip().removeprefix("..").partition("::") if lines else ("", "", "")
        if name.strip() in _DISABLED:
            continue
        body = [line.strip() for line in lines[1:] if not line.strip().startswith(":")]
        if words := "\n".join(part for part in (argument.strip(), *body) if part):
            yield words


def _indented(item: nodes.Node) -> str:
    return "\n\n".join(_blocks(item, 0)).replace("\n", "\n  ")


def _line(node: nodes.Node) -> str:
    return " ".join(node.astext().split())
