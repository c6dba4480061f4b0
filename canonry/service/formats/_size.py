"""How much an OTLP request holds, told from its bytes: what two of them say can take hundreds once it is parsed."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from canonry.service.formats import MAX_ITEMS, TooMany, check_count

MAX_PARTS = 50 * MAX_ITEMS
"""Groups and items of one body, and attributes, events and links of its items."""

_GROUPS, _SCOPES, _ITEMS = 0x0A, 0x12, 0x12
_NESTED = (_GROUPS, _SCOPES, _ITEMS, None)
"""Tags of what is looked into at each depth: the same for spans and for log records."""

_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5


def check_parts(parts: int) -> None:
    """Raise TooMany where a body holds more than MAX_PARTS."""
    if parts > MAX_PARTS:
        raise TooMany(f"more than {MAX_PARTS:,} spans, attributes and events in one request; send smaller batches")


def check_size(body: bytes) -> None:
    """Raise TooMany where a request in protobuf holds too much, DecodeError where it is none."""
    items = parts = 0
    waiting = [(0, len(body), 0)]
    try:
        while waiting:
            at, end, depth = waiting.pop()
            nested = _NESTED[depth]
            while at < end:
                tag, at = _varint(body, at)
                kind = tag & 7
                if kind == _MESSAGE:
                    length, at = _varint(body, at)
                    if tag == nested:
                        waiting.append((at, at + length, depth + 1))
                        items += depth == len(_NESTED) - 2
                    at += length
                elif kind == _VARINT:
                    _, at = _varint(body, at)
                elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
                    at += 8 if kind == _EIGHT_BYTES else 4
                else:
                    raise DecodeError
                parts += 1
                check_parts(parts)
    except IndexError:
        raise DecodeError from None
    check_count(items)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where it ends."""
    byte = body[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = body[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + 1
        shift += 7
        if shift > 63:
            raise DecodeError
