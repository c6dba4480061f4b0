"""A chart's SVG as part of the page: only drawing is let through, and the whole is one image with a label."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_DRAWING = frozenset({"svg", "g", "path", "line", "rect", "circle", "text", "tspan"})
_SHAPE = frozenset(
    {"class", "d", "dx", "dy", "height", "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2"}
)
_PAINT = frozenset({"fill", "fill-opacity", "opacity", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-width"})
_WRITING = frozenset({"font-size", "font-weight", "text-anchor"})
_KEPT = _SHAPE | _PAINT | _WRITING
_EMPTY = re.compile(r"^(M0,0h0v0h0Z)?$")
_LONG = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")


def as_image(drawn: str, says: str) -> str:
    """The SVG with the label `says`, ready to stand in HTML. Raises ValueError where it holds more than drawing."""
    root = ElementTree.fromstring(drawn)
    for element in root.iter():
        element.tag = _local(element.tag)
        if element.tag not in _DRAWING:
            raise ValueError(f"a chart holds <{element.tag}>; expected drawing only: {', '.join(sorted(_DRAWING))}")
        for name in list(element.attrib):
            if name not in _KEPT:
                del element.attrib[name]
            elif name in ("transform", "d", "x2", "y2", "x", "y"):
                element.attrib[name] = _LONG.sub(lambda match: f"{float(match[0]):.2f}", element.attrib[name])
    _drop_empty(root)
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "chart", "role": "img", "aria-label": says}
    return ElementTree.tostring(root, encoding="unicode")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _drop_empty(parent: ElementTree.Element) -> None:
    """Away with frames that have no line and groups that hold nothing."""
    for child in list(parent):
        _drop_empty(child)
        hollow = child.tag == "g" and not len(child)
        if hollow or (child.tag == "path" and _EMPTY.match(child.attrib.get("d", ""))):
            parent.remove(child)
