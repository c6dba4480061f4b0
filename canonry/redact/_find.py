"""Finds what identifies a person in a text: spans of e-mail addresses, cards, IBANs, IP addresses, phone numbers.

Each finder takes a text and gives spans (start, end), in order and apart. A finder first asks something cheap that most
texts answer with no, and takes linear time on any text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

Span = tuple[int, int]
Find = Callable[[str], Iterable[Span]]


class MissingExtra(ImportError):
    """What a source's redaction needs is not installed; the message names the extra."""

    def __init__(self, package: str) -> None:
        super().__init__(f"redaction needs {package}; run: pip install 'canonry[service]'")


_AT = re.compile(r"@|＠|%40")
_LOCAL = re.compile(r"\w[\w.+'-]*\Z")
_DOMAIN = re.compile(r"(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}(?![^\W_])")
_LOCAL_LENGTH = 64
_DOMAIN_LENGTH = 255


def find_emails(text: str) -> Iterator[Span]:
    """Addresses with a domain of two parts or more; `%40` may stand for the @, as in a URL."""
    taken = 0
    if "@" not in text and "%40" not in text and "＠" not in text:
        return
    for at in _AT.finditer(text):
        local = _LOCAL.search(text, max(taken, at.start() - _LOCAL_LENGTH), at.start())
        if local and (domain := _DOMAIN.match(text, at.end(), at.end() + _DOMAIN_LENGTH)):
            taken = domain.end()
            yield local.start(), taken


_CARD = re.compile(
    r"\d(?<![\w-].)(?<!\d[.,].)(?:\d{12,18}|\d{3}(?:([ .\u00a0-])\d{4}\1\d{4}\1\d{1,7}|([ .\u00a0-])\d{6}\2\d{4,5}))"
    r"(?![\w-]|[.,]\d)",
    re.ASCII,
)
_ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720))\d+"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|35(?:2[89]|[3-8]\d)\d{12,15}"  # American Express, Diners, JCB
    r"|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12,15}|(?:50|5[6-8]|6[0379])\d{11,17}"  # Discover, UnionPay, Maestro
)
_NO_DIGITS = re.compile(r"\D+")


def find_cards(text: str) -> Iterator[Span]:
    """Numbers of payment cards: an issuer's prefix and length, Luhn's check digit, written in one or in groups."""
    from stdnum import luhn

    position = 0
    while candidate := _CARD.search(text, position):
        digits = _NO_DIGITS.sub("", candidate[0])
        if _ISSUER.fullmatch(digits) and luhn.is_valid(digits):
            yield candidate.span()
            position = candidate.end()
        else:
            position = candidate.start() + 1


_IBAN = re.compile(r"\d(?<=[A-Za-z]{2}.)(?<![A-Za-z0-9]...)\d(?=[ -]?[A-Za-z0-9]{2})", re.ASCII)
_IBAN_REST = re.compile(r"(?:[ -]?[A-Za-z0-9]){0,30}", re.ASCII)
_IBAN_PART = re.compile(r"(\d+)!")


def find_ibans(text: str) -> Iterator[Span]:
    """International bank account numbers, in one or in groups: check digits, and the country's own length and form."""
    from stdnum import iban

    position = 0
    while candidate := _IBAN.search(text, position):
        start, position = candidate.start() - 2, candidate.end()
        length = _iban_length(text[start : start + 2].upper())
        rest = _IBAN_REST.match(text, position) if length else None
        if rest is None:
            continue
        ends = [place + 1 for place in range(start, rest.end()) if text[place] not in " -"]
        if length > len(ends) or text[ends[length - 1] : ends[length - 1] + 1].isalnum():
            continue
        if iban.is_valid(text[start : ends[length - 1]]):
            position = ends[length - 1]
            yield start, position


@cache
def _iban_length(country: str) -> int:
    """How many characters a country's numbers have, all of them the same; 0 where there is no such country."""
    from stdnum import numdb

    _, about = numdb.get("iban").info(country)[0]
    return 4 + sum(map(int, _IBAN_PART.findall(about["bban"]))) if "bban" in about else 0


_IPV4 = re.compile(r"\d(?<![\w.-].)\d{0,2}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,36}(?:\d\.[\d.]{5,12}|[0-9A-Fa-f:])(?![\w:]|\.\d)", re.ASCII
)

_GROUP = re.compile(r"[0-9A-Fa-f]{3}")


def find_ips(text: str) -> list[Span]:
    """IPv4 and IPv6 addresses. Loopback stays, which is nobody's, and what may be a slice or scope (`1::2`, `a::b`)."""
    found: list[Span] = []
    if text.count(".") >= 3:
        found += [match.span() for match in _IPV4.finditer(text) if _is_ip(match[0], ipaddress.IPv4Address)]
    if text.count(":") >= 2:
        found += [match.span() for match in _IPV6.finditer(text) if _is_ip(match[0], ipaddress.IPv6Address)]
    return _apart(found)


def _is_ip(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    if kind is ipaddress.IPv6Address and not (_GROUP.search(text) and any(map(str.isdigit, text))):
        return False
    try:
        address = kind(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


_PHONE = re.compile(
    r"[+＋(\d](?<![\w.,:/=-].)(?:(?<!\d)[(]?\d|(?<=\d))(?:(?: ?[-–] ?|[ \u00a0./])?[()]? ?\d){6,17}(?![\w]|[-–:,=]\d)"
)
_WRITTEN_AS_PHONE = re.compile(r"[+＋(]|\A00|\d[^\d]")
_OTHER = re.compile(
    r"\d+[.,]\d+|(?:19|20)\d\d([-–/.])\d\d?\1\d.*|\d\d?[./-]\d\d?[./-]\d{4}\b.*|\d{1,3}(?:\.\d{1,3}){3}", re.DOTALL
)
_EXTENSION = re.compile(r"[ ,;]{0,2}(?:ext(?:ension|\.)?|x|#)[ .:]{0,2}\d{1,7}\b", re.IGNORECASE)
_PHONES_TRIED = 500


def find_phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """Phone numbers that are valid: with + from anywhere, else as they are written in one of the regions.

    Digits alone are no phone number: an id is far likelier. Beyond 500 candidates in a text the rest are taken unseen.
    """
    tried = 0
    position = 0
    while candidate := _PHONE.search(text, position):
        start, position = candidate.span()
        if not _WRITTEN_AS_PHONE.search(candidate[0]) or _OTHER.fullmatch(candidate[0]):
            continue
        tried += 1
        if tried > _PHONES_TRIED:
            yield start, position
            continue
        extension = _EXTENSION.match(text, position)
        end = extension.end() if extension else position
        for found in _valid_phones(text[start:end], regions):
            position = start + found[1]
            yield start + found[0], position
            break


def _valid_phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    import phonenumbers

    for region in (*regions, None) if regions else (None,):
        for match in phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.VALID):
            yield match.start, match.end


def _apart(spans: list[Span]) -> list[Span]:
    """Spans in order, without those that begin inside an earlier one."""
    kept: list[Span] = []
    for span in sorted(spans):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def finder(finding: str, regions: tuple[str, ...] = ()) -> Find:
    """The finder of one kind of finding. Raises MissingExtra where its library is not installed."""
    needs = {"phone": "phonenumbers", "card": "stdnum", "iban": "stdnum"}.get(finding)
    if needs:
        try:
            __import__(needs)
        except ImportError:
            raise MissingExtra({"stdnum": "python-stdnum"}.get(needs, needs)) from None
    finders: dict[str, Find] = {
        "email": find_emails,
        "card": find_cards,
        "iban": find_ibans,
        "ip": find_ips,
        "phone": partial(find_phones, regions=regions),
    }
    return finders[finding]
