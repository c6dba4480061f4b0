"""What a source's redaction does to whole events: structure, ids and numbers stay; text and users do not."""

from __future__ import annotations

import copy
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonry.catalog import Redaction
from canonry.events import ANNOTATION, FEEDBACK, INFERENCE, STEP
from canonry.people import user_hash
from canonry.redact import DROPPED, USER_FIELDS, Redactor, TooDeep

KEY = b"k" * 32
PLANTED = "ada@example.com"


def redactor(content: str = "mask", key: bytes = KEY, **more: object) -> Redactor:
    return Redactor.from_spec(Redaction.model_validate({"content": content, **more}), key)


def call(**more: object) -> dict:
    return {"inference_id": "i-1", "started_at": "2026-11-24T09:00:00Z", "product": "shop", "team": "shop", **more}


def messages(text: str) -> list[dict]:
    return [{"role": "user", "parts": [{"type": "text", "content": text}]}]


def test_every_string_of_an_event_is_masked_and_nothing_else_is_touched():
    event = call(
        input_tokens=412,
        latency_ms=1.5,
        input_messages=[*messages(f"I am {PLANTED}."), {"role": "user", "content": [f"{PLANTED}", 7, None, True]}],
        output_messages="plain, for ada@example.com",
        retrieved=[{"chunk_id": "manual-1", "score": 0.25, "text": PLANTED}],
        parameters={"stop": [PLANTED], "temperature": 0.5},
        attributes={"note": {"deep": [PLANTED]}, PLANTED: 1, "n": 4155552671},
        surprise=PLANTED,
    )
    before = copy.deepcopy(event)
    masked = redactor()(INFERENCE, event)
    assert event == before
    assert masked == json.loads(json.dumps(event).replace(PLANTED, "[email]"))


@pytest.mark.parametrize("escape", [lambda text: text, lambda text: text.replace("@", "\\u0040")])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_json_given_as_text_is_masked_inside_and_stays_json(escape, depth):
    text = escape(json.dumps(messages(f'"{PLANTED}" said "hi"\n')))
    for _ in range(depth - 1):
        text = json.dumps({"arguments": text})
    found = redactor()(INFERENCE, call(input_messages=text))["input_messages"]
    for _ in range(depth - 1):
        found = json.loads(found)["arguments"]
    assert json.loads(found) == messages('"[email]" said "hi"\n')


def test_json_given_as_text_in_which_nothing_is_found_stays_as_it_was_written():
    text = '{ "a" : 1.0, "b": 123456789012345678901234567890, "c": "\\u00e9" }'
    event = call(input_messages=text, attributes={"a": text})
    assert redactor()(INFERENCE, event) == event


def test_digits_of_ids_times_and_versions_stay_but_an_address_in_an_id_does_not():
    attributes = {
        "order_id": "415-555-2671",
        "version": "1.2.3.4",
        "trace.id": "4111111111111111",
        "createdAt": "415.555.2671",
        "customer_id": PLANTED,
        "customer": "415-555-2671",
    }
    masked = redactor()(INFERENCE, call(attributes=attributes, session_id="415-555-2671", response_model="1.2.3.4"))
    assert masked["attributes"] == attributes | {"customer_id": "[email]", "customer": "[phone]"}
    assert (masked["session_id"], masked["response_model"]) == ("415-555-2671", "1.2.3.4")


KEYED = "key sk-a1B2c3D4e5F6a1B2c3D4e5F6"
PHONED = "call +1 650 253 0000"


@pytest.mark.parametrize("content", ["mask", "drop"])
@pytest.mark.parametrize(
    "event_type", [pytest.param(each, id=each.name) for each in (INFERENCE, STEP, FEEDBACK, ANNOTATION)]
)
def test_no_known_field_but_an_id_that_joins_events_lets_an_address_or_a_secret_through(content, event_type):
    ids = {name for name in event_type.field_names if name.endswith(("_id", "_hash"))} - {"session_id"}
    for field in event_type.field_names - ids - {event_type.time_field}:
        for value in (PLANTED, f"[{json.dumps(PLANTED)}]", [PLANTED], {"a": {PLANTED: KEYED}}, KEYED):
            stored = json.dumps(redactor(content)(event_type, {field: value}))
            assert PLANTED not in stored and KEYED not in stored, field
    for field in ids - {"user_hash"}:
        assert redactor(content)(event_type, {field: PLANTED}) == {field: PLANTED}


@pytest.mark.parametrize("content", ["mask", "drop"])
def test_fields_in_which_anything_may_stand_are_masked_as_any_text_and_a_number_written_as_text_too(content):
    redact = redactor(content)
    assert redact(INFERENCE, {"feature": PHONED, "error_type": PHONED, "finish_reason": KEYED}) == {
        "feature": "call [phone]",
        "error_type": "call [phone]",
        "finish_reason": "key [secret]",
    }
    assert redact(FEEDBACK, {"signal": PHONED}) == {"signal": "call [phone]"}
    assert redact(STEP, {"name": PHONED}) == {"name": "call [phone]"}
    assert PHONED not in str(redact(INFERENCE, {"input_tokens": PHONED}))
    plain = {"feature": "search", "session_id": "s-1", "signal": "thumb", "input_tokens": 7, "cache_hit": True}
    assert redact(INFERENCE, plain) == plain


def test_names_that_are_remembered_are_few_and_short():
    redact = redactor()
    for number in range(10_050):
        assert redact(INFERENCE, {"session_id": f"s-{number}"}) == {"session_id": f"s-{number}"}
    assert redact(INFERENCE, {"session_id": "s" * 101})
    assert max(map(len, redact._mask._plain_names)) < 10 and len(redact._mask._plain_names) == 50


def test_many_names_that_become_one_marker_take_a_time_that_their_number_allows():
    event = {"attributes": {f"a{number}@b.example": number for number in range(50_000)}}
    masked = redactor()(STEP, event)["attributes"]
    assert list(masked.values()) == list(range(50_000)) and list(masked)[-1] == "[email] 50000"


def test_two_names_that_become_one_marker_keep_both_values():
    masked = redactor()(STEP, {"attributes": {"a@b.example": 1, "c@d.example": 2, "[email]": 3}})
    assert masked["attributes"] == {"[email]": 1, "[email] 2": 2, "[email] 3": 3}


def test_own_patterns_come_first_and_only_what_is_asked_for_is_found():
    text = "E-123456 at ada@example.com or 192.0.2.7"
    own = redactor(find=["ip"], patterns={"employee": r"\bE-\d{6}\b"})
    assert own(FEEDBACK, {"comment": text})["comment"] == "[employee] at ada@example.com or [ip]"
    assert own.found == {"employee": 1, "ip": 1}
    whole = redactor(patterns={"staff": r"\w+@example\.com"})
    assert whole(FEEDBACK, {"comment": text})["comment"] == "E-123456 at [staff] or [ip]"


def test_drop_stores_no_contents_and_nothing_that_could_be_some():
    said = "what did Ada say"
    event = call(
        input_messages=messages(said),
        output_messages=json.dumps(messages(said)),
        retrieved=[{"chunk_id": "manual-1", "score": 0.25, "text": said}, {"chunk_id": "manual-2", "score": 0.1}],
        parameters={"temperature": 0.5, "stop": [said], "model": "m-1"},
        attributes={
            "gen_ai.tool.call.arguments": {"city": "Paris"},
            "inputValue": "Paris",
            "note": said,
            "unspaced": "私の名前はエイダです",
            "payload": json.dumps({"note": said, "region": "eu-1"}),
            "region": "eu-central-1",
            "input_tokens": 5,
            "mail": PLANTED,
        },
        question="Paris",
        input_tokens=412,
    )
    stored = redactor("drop")(INFERENCE, event)
    assert stored == call(
        retrieved=[{"chunk_id": "manual-1", "score": 0.25}, {"chunk_id": "manual-2", "score": 0.1}],
        parameters={"temperature": 0.5, "stop": [DROPPED], "model": "m-1"},
        attributes={
            "gen_ai.tool.call.arguments": DROPPED,
            "inputValue": DROPPED,
            "note": DROPPED,
            "unspaced": DROPPED,
            "payload": '{"note":"[dropped]","region":"eu-1"}',
            "region": "eu-central-1",
            "input_tokens": 5,
            "mail": "[email]",
        },
        question=DROPPED,
        input_tokens=412,
    )
    thumb = {"feedback_id": "f-1", "signal": "thumb", "value": 1, "comment": said, "correction": said}
    assert redactor("drop")(FEEDBACK, thumb) == {"feedback_id": "f-1", "signal": "thumb", "value": 1}


def test_what_a_step_was_asked_and_gave_back_is_contents():
    said = f"where is {PLANTED}"
    step = {
        "step_id": "s-1",
        "name": "search",
        "query": said,
        "result": {"user_id": "zelda-7", "rows": [said]},
        "retrieved": [{"chunk_id": "manual-1", "score": 0.5, "text": said}],
    }
    assert redactor("keep")(STEP, step) is step
    assert redactor()(STEP, step) == json.loads(json.dumps(step).replace(PLANTED, "[email]"))
    assert redactor("drop")(STEP, step) == {
        "step_id": "s-1",
        "name": "search",
        "retrieved": [{"chunk_id": "manual-1", "score": 0.5}],
    }


def test_what_a_reviewer_chose_is_no_contents():
    label = {"annotation_id": "a-1", "result": {"groundedness": "not grounded", "note": PLANTED}}
    expected = {"groundedness": "not grounded", "note": "[email]"}
    for content in ("mask", "drop"):
        assert redactor(content)(ANNOTATION, label)["result"] == expected


@pytest.mark.parametrize("field", USER_FIELDS)
@pytest.mark.parametrize("content", ["keep", "mask", "drop"])
def test_a_user_is_stored_as_a_keyed_hash_wherever_the_event_names_one(field, content):
    expected = user_hash("zelda-7", KEY)
    redact = redactor(content)
    for event in (
        call(**{field: "zelda-7"}),
        call(attributes={field: "zelda-7"}),
        call(parameters={"extra": [{field: "zelda-7"}]}),
        call(metadata={"deep": {field: {"id": "zelda-7", "name": "Zelda"}}}),
    ):
        stored = redact(INFERENCE, event)
        assert stored["user_hash"] == expected
        assert "zelda" not in json.dumps(stored).lower()
    assert redact(FEEDBACK, {"feedback_id": "f", field: 7})["user_hash"] == user_hash("7", KEY)
    text = redact(INFERENCE, call(attributes=json.dumps({field: "zelda-7", "region": "eu"})))
    assert "zelda" not in json.dumps(text) and "eu" in text["attributes"]


def test_of_several_that_name_the_user_the_outermost_id_is_hashed():
    event = call(user_email=PLANTED, user_id="ada-7", attributes={"user_id": "other"})
    assert redactor()(INFERENCE, event)["user_hash"] == user_hash("ada-7", KEY)
    assert redactor()(INFERENCE, call(user_id=None, user="", attributes={"user_id": "x"}))["user_hash"]


def test_a_hash_that_was_sent_stands_and_what_is_none_is_hashed():
    redact = redactor("keep")
    sent = "4bf92f3577b34da6"
    assert redact(INFERENCE, call(user_hash=sent, user_id="ada"))["user_hash"] == sent
    for name in (PLANTED, "ada-7", 7):
        assert redact(INFERENCE, call(user_hash=name))["user_hash"] == user_hash(str(name), KEY)
    assert "user_hash" not in redact(INFERENCE, call())


def test_without_a_key_a_user_is_left_out_counted_and_said_once(caplog):
    redact = redactor("keep", key=b"")
    for number in range(3):
        assert redact(INFERENCE, call(user_id=f"ada-{number}")) == call()
    assert redact.found["user_dropped"] == 3
    assert [record.message for record in caplog.records if "CANONRY_HASH_KEY" in record.message][1:] == []
    assert "ada" not in caplog.text


def test_contents_are_not_searched_for_users_since_a_role_is_none():
    event = call(input_messages=[{"role": "user", "content": "hello"}], output_messages='[{"user": "x"}]')
    assert redactor("keep")(INFERENCE, event) is event


def test_bytes_that_are_no_event_are_masked_or_not_kept():
    broken = b'{"inference_id": "i-1", "user_id": "ada-7", "note": "ada\\u0040example.com, 4111 1111 1111 1111", "x'
    kept = redactor("keep").raw(INFERENCE, broken)
    assert kept == broken.replace(b"ada-7", b"[user]")
    assert redactor().raw(INFERENCE, broken) == (
        b'{"inference_id": "i-1", "user_id": "[user]", "note": "[email], [card]", "x'
    )
    assert redactor("drop").raw(INFERENCE, broken) is None
    for cut in (b"ada@exampl", b"+49 30 123", b"4111 1111 1111 11"):
        assert redactor().raw(INFERENCE, b'{"note": "from ' + cut) == b'{"note": "[cut]'
    assert redactor().raw(INFERENCE, b'{"note": "from A') == b'{"note": "from A'
    whole = orjson.dumps({"user_id": "ada-7", "note": PLANTED, "started_at": "soon"})
    masked = orjson.loads(redactor().raw(INFERENCE, whole) or b"")
    assert masked == {"user_hash": user_hash("ada-7", KEY), "note": "[email]", "started_at": "soon"}
    for untouched in (b"hello", b"", b"[1, 2]", b"J\xfcrgen", b'{"a":1}'):
        assert redactor().raw(INFERENCE, untouched) == untouched
    assert redactor().raw(INFERENCE, "Jürgen ada@example.com".encode("latin-1")) == "Jürgen [email]".encode("latin-1")
    assert redactor().raw(INFERENCE, PLANTED.encode("utf-16")) is None
    assert redactor("keep").raw(INFERENCE, PLANTED.encode("utf-16")) == PLANTED.encode("utf-16")
    assert redactor().raw(INFERENCE, PLANTED.encode() * 300_000) is None


def test_a_digest_of_what_is_not_kept_tells_nobody_what_it_was():
    first, second = redactor("drop"), redactor("drop")
    assert first.digest(b"yes") == second.digest(b"yes") != first.digest(b"no")
    assert redactor("drop", key=b"z" * 32).digest(b"yes") != first.digest(b"yes")
    assert redactor("drop", key=b"").digest(b"yes") != redactor("drop", key=b"").digest(b"yes")


def test_a_reason_quotes_nobody():
    assert redactor().reason(f"started_at: '{PLANTED}' is not a time") == "started_at: '[email]' is not a time"


@pytest.mark.parametrize("content", ["keep", "mask", "drop"])
def test_what_is_nested_too_deeply_to_look_through_is_said(content):
    deep: object = {"user_id": "ada"}
    for _ in range(240):
        deep = [deep]
    with pytest.raises(TooDeep):
        redactor(content)(INFERENCE, call(attributes=deep))
    text = json.dumps(deep).replace("ada", PLANTED)
    assert PLANTED not in json.dumps(redactor()(INFERENCE, call(input_messages=text)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def shape(value: object) -> object:
    if isinstance(value, dict):
        return [shape(each) for each in value.values()]
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "text" if isinstance(value, str) else value


REDACTORS = {content: redactor(content) for content in ("keep", "mask", "drop")}
MASKING = REDACTORS["mask"]


@given(JSON)
def test_whatever_is_sent_keeps_its_shape_and_is_masked_once_and_for_all(value):
    event = call(input_messages=value, output_messages=json.dumps(value))
    once = MASKING(INFERENCE, event)
    assert shape(once["input_messages"]) == shape(value)
    assert shape(json.loads(once["output_messages"])) == shape(value)
    assert MASKING(INFERENCE, once) == once
    orjson.dumps(once)


@given(JSON, st.sampled_from(["keep", "mask", "drop"]))
def test_no_document_stops_a_redactor(value, content):
    document = value if isinstance(value, dict) else {"attributes": value, "result": value, "retrieved": value}
    for event_type in (INFERENCE, STEP, FEEDBACK, ANNOTATION):
        orjson.dumps(REDACTORS[content](event_type, document))
        REDACTORS[content].raw(event_type, orjson.dumps(document))
