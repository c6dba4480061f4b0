"""What is found in a text, and what only looks like it: real formats, and ids that must come through."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from canonry.redact._find import find_cards, find_emails, find_ibans, find_ips, find_phones, finder
from canonry.redact._mask import ORDER, Mask

MASK = Mask(["email", "phone", "card", "iban", "ip", "secret"], {}, ("US", "DE", "GB"))

FOUND = {
    "ada@example.com": "[email]",
    "Ada.Lovelace+notes@mail.example.co.uk": "[email]",
    "jürgen@müller.example": "[email]",
    "mailto:ada@example.com?subject=x": "mailto:[email]?subject=x",
    "https://x.org/?to=ada%40example.com&a=1": "https://x.org/?to=[email]&a=1",
    "<ada@example.com>, (bob@example.org).": "<[email]>, ([email]).",
    "4111111111111111": "[card]",
    "4111 1111 1111 1111": "[card]",
    "5555-5555-5555-4444": "[card]",
    "2223003122003222": "[card]",
    "3782 822463 10005": "[card]",
    "6011000990139424": "[card]",
    "3530111333300000": "[card]",
    "12 4111 1111 1111 1111 99": "12 [card] 99",
    "DE89370400440532013000": "[iban]",
    "de89 3704 0044 0532 0130 00": "[iban]",
    "GB29 NWBK 6016 1331 9268 19": "[iban]",
    "FR14 2004 1010 0505 0001 3M02 606, thanks": "[iban], thanks",
    "NL91ABNA0417164300.": "[iban].",
    "192.0.2.7": "[ip]",
    "192.0.2.7:8080": "[ip]:8080",
    "2001:db8::7334": "[ip]",
    "[2001:db8:85a3::8a2e:370:7334]:443": "[[ip]]:443",
    "::ffff:192.0.2.7": "[ip]",
    "+49 30 1234567": "[phone]",
    "+1-415-555-2671": "[phone]",
    "(415) 555-2671": "[phone]",
    "(415) 555-2671 ext. 12": "[phone]",
    "415.555.2671": "[phone]",
    "030/12345678": "[phone]",
    "020 7946 0018": "[phone]",
    "+14155552671": "[phone]",
    "+49 30 1234567 / (415) 555-2671": "[phone] / [phone]",
}

KEPT = [
    "AA89370400440532013000",  # no country's
    "DE8937040044053201300",  # too short for its country
    "4111111111111112",  # not Luhn's
    "4111 1111 1111 1112",
    "1234567812345670",  # Luhn's, but no issuer's
    "DE89370400440532013001",
    "DE00 3704 0044 0532 0130 00",
    "@app.route",
    "react@18.2.0",
    "user@host",
    "decorator@",
    "a@b",
    "1.2.3",
    "v1.2.3.4",
    "127.0.0.1 and 0.0.0.0 and ::1",
    "256.1.1.1",
    "1.2.3.4.5",
    "std::vector<int>::dead::beef",
    "12:30:45",
    "x[::2]",
    "00:1a:2b:3c:4d:5e",
    "2026-11-24T09:00:00.123456Z",
    "2026-11-24 09:00:00",
    "24.11.2026 09:00",
    "11/24/2026 10:20",
    "1764000000",
    "1764000000123",
    "1764000000123456789",
    "1,234,567,890",
    "0.4155552671",
    "[0.12345678, -0.98765432, 1.23456789]",
    "4155552671",  # digits alone are an id
    "ISBN 978-3-16-148410-0",
    "order 2025-000123-45",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "00f067aa0ba902b7",
    "01JDEFGH1234567890ABCDEFGH",
    "550e8400-e29b-41d4-a716-446655440000",
    "12345678-1234-4123-8123-123456789012",
    "00000000-0000-0000-0000-000000000000",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "docs#4155552671-2",
    "gpt-4o-2024-08-06",
    "claude-opus-4-20250514",
]


@pytest.mark.parametrize("text", FOUND)
def test_what_identifies_a_person_is_found_as_people_write_it(text):
    assert MASK.text(text) == FOUND[text]
    assert MASK.text(f"So: {text} ok") == f"So: {FOUND[text]} ok"


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_it_stays(text):
    assert MASK.text(text) is text
    assert MASK.text(f"So: {text}, ok") == f"So: {text}, ok"


def test_a_version_of_four_parts_is_taken_for_an_address():
    assert MASK.text("version 1.2.3.4") == "version [ip]"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_countrys_numbers_are_found_in_international_form(region):
    kind = phonenumbers.PhoneNumberType.MOBILE
    number = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    for form in (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164):
        written = phonenumbers.format_number(number, form)
        text = f"Call me at {written}, or not."
        assert [text[start:end] for start, end in find_phones(text, ())] == [written]


@pytest.mark.parametrize("region", ["US", "DE", "GB", "FR", "IT", "ES", "NL", "BE", "CH", "AT", "JP", "IN", "BR", "AU"])
def test_national_numbers_are_found_where_their_region_is_named(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    text = f"tel {written}."
    if not written.isdigit():
        assert [text[start:end] for start, end in find_phones(text, (region,))] == [written]
        assert not list(find_phones(text, ()))


IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda each: each.hex),
    st.binary(min_size=8, max_size=8).map(bytes.hex),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.binary(min_size=16, max_size=16).map(lambda each: str(ULID(each))),
    st.integers(0, 2**63).map(str).filter(lambda each: not 12 <= len(each) <= 19),
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(lambda each: each.isoformat()),
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(str),
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(lambda each: f"{each:%d.%m.%Y %H:%M:%S}"),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.integers(0, 10**9).map(lambda each: f"{each:,}"),
)


@given(IDS)
def test_an_id_a_time_or_a_number_is_no_phone_number_and_nothing_else(identifier):
    assert MASK.text(identifier) == identifier
    assert MASK.text(f"id={identifier};") == f"id={identifier};"
    assert MASK.text(f"The id is {identifier}.") == f"The id is {identifier}."


WORDS = st.text(st.characters(exclude_categories=("Cs", "Nd", "Nl", "No"), exclude_characters="@＠"), max_size=30)


@given(WORDS, st.sampled_from([(text, marked) for text, marked in FOUND.items() if text != marked]), WORDS)
def test_what_is_found_is_found_wherever_it_stands(before, planted, after):
    text, marked = planted
    assert MASK.text(f"{before} {text} {after}") == f"{before} {marked} {after}"


@given(st.text(max_size=300) | st.text("0123456789 .-/()+@:abcdefDE", max_size=80))
def test_any_text_is_masked_once_and_for_all(text):
    once = MASK.text(text)
    assert MASK.text(once) == once
    for find in (find_emails, find_cards, find_ibans, find_ips, finder("phone", ("US",))):
        spans = list(find(text))
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


HOSTILE = {
    "a run of letters before an @": "a" * 100_000 + "@",
    "many @": "@a." * 34_000,
    "local parts": "a.b-" * 25_000 + "@x.y" * 1_000,
    "digits": "1" * 100_000,
    "spaced digits": "1 " * 50_000,
    "groups": "4111 1111 1111 1112 " * 5_000,
    "plus": "+1 " * 34_000,
    "numbers of a region": "415 555 2671, " * 7_000,
    "dots": "1.1.1." * 17_000,
    "colons": "1:a:" * 25_000,
    "IBANs that are none": "DE89 3704 0044 0532 0130 01 " * 4_000,
    "letters and digits": "DE12" * 25_000,
    "beginnings of IBANs": "DE12 AB34 " * 10_000,
    "countries that are none": "AA00 " * 20_000,
    "web tokens": "eyJ" * 34_000,
    "schemes": "://a:" * 20_000 + "@",
    "key headers": "-----BEGIN PRIVATE KEY-----" * 4_000,
    "api key": "api-key: " * 12_000,
    "quotes": "aws" * 20_000 + "key" * 20_000 + "'",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_masked_in_a_time_that_its_length_allows(name):
    """What took the square of its length would not come back here."""
    text = HOSTILE[name]
    assert len(text) > 90_000
    masked = Mask([*ORDER, "secret"], {}, ("US",)).text(text)
    assert len(masked) <= len(text)
