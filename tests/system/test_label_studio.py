"""Label Studio, live: a real server, a project a test; what is sent, labeled, edited, deleted and refused there."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from label_studio_sdk import LabelStudio
from playwright.sync_api import Page, expect

from canonry import lake
from canonry.catalog import SchemeSpec
from canonry.demo.label_studio_server import Server, running
from canonry.label import send
from canonry.label.draws import draw_day
from canonry.label.partition import write_labels
from canonry.label.project import find_project, keep_project, task_count
from canonry.label.pull import Pulled, pull_annotations
from canonry.label.register import Project, batches_sent, last_pull
from canonry.label.send import Sent, send_tasks
from canonry.label.studio import KEY, URL, LabelStudioError, Unanswered, connect, list_tasks
from canonry.label.tasks import export_tasks
from canonry.labels import Draw
from canonry.storage import Zones

DAY = dt.date(2026, 11, 9)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this session's own, on a copy of the golden data."""
    with running(tmp_path_factory.mktemp("label-studio") / "data") as found:
        yield found


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> LabelStudio:
    """The server's client, connected as the platform connects: from the environment."""
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(KEY, server.api_key)
    found = connect()
    assert found is not None
    return found


@pytest.fixture
def scheme() -> SchemeSpec:
    return SchemeSpec.model_validate(
        {
            "description": "Does the answer say only what the passages support?",
            "owner": "ai-quality",
            "version": 1,
            "instructions": "Read all of it, then decide.",
            "choices": [{"name": "groundedness", "question": "Supported?", "choices": ["grounded", "hallucinated"]}],
            "spans": ["unsupported"],
            "sampling": {"strata": ["product"], "per_stratum": 2_000},
        }
    )


@dataclass(frozen=True)
class Labeling:
    """A scheme's drawn and exported day, and the server it is labeled on."""

    zones: Zones
    client: LabelStudio
    name: str
    scheme: SchemeSpec
    draw: Draw

    def send(self) -> Sent:
        return send_tasks(self.zones, self.client, self.name, self.scheme)

    def pull(self, *, sweep: bool = False) -> Pulled:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        return pull_annotations(self.zones, self.client, self.name, self.scheme, now, sweep=sweep)

    @property
    def project(self) -> Project:
        found = find_project(self.client, self.zones.journal, self.name, self.scheme.version)
        assert found is not None
        return found

    @property
    def task_ids(self) -> list[int]:
        return [task["id"] for task in list_tasks(self.client, self.project.project_id, [])]

    def labels(self) -> list[dict[str, Any]]:
        write_labels(self.zones, DAY)
        return lake.read(self.zones.lake, "labels", [DAY]).to_pylist()


@pytest.fixture
def labeling(zones: Zones, client: LabelStudio, scheme: SchemeSpec) -> Callable[[int], Labeling]:
    """Draws a number of calls under a scheme of the test's own."""

    def make(calls: int) -> Labeling:
        name = f"groundedness-{uuid.uuid4().hex[:8]}"
        inferences, contents = [], []
        for number in range(calls):
            row = dict.fromkeys(lake.SCHEMAS["inferences"].names)
            started_at = dt.datetime.combine(DAY, dt.time(9))
            inferences.append(
                {**row, "inference_id": f"c{number}", "started_at": started_at, "team": "docs", "product": "site"}
            )
            contents.append(
                {
                    "inference_id": f"c{number}",
                    "input_messages": json.dumps([{"role": "user", "content": f"How do I open a file, {number}?"}]),
                    "output_messages": json.dumps([{"role": "assistant", "content": "Call open(path) and read it."}]),
                    "retrieved": [{"chunk_id": "io.open", "score": 0.5, "text": "Open a file and return a stream."}],
                }
            )
        for kind, rows in (("inferences", inferences), ("contents", contents)):
            lake.write(zones.lake, kind, DAY, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})
        draw = draw_day(zones, name, scheme, DAY, dt.datetime(2026, 11, 10))
        assert draw is not None
        export_tasks(zones, name, scheme, draw)
        return Labeling(zones, client, name, scheme, draw)

    return make


def _region(choice: str) -> dict[str, Any]:
    value = {"choices": [choice]}
    return {"id": "r1", "from_name": "groundedness", "to_name": "answer", "type": "choices", "value": value}


def test_a_project_is_made_from_its_scheme_and_follows_its_wording(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(1)
    project = keep_project(it.client, it.zones.journal, it.name, it.scheme)
    made = it.client.projects.get(project.project_id)
    assert made.title == f"{it.name} v1"
    assert made.expert_instruction == "Read all of it, then decide."
    assert "Supported?" in made.label_config

    reworded = it.scheme.model_copy(
        update={
            "instructions": "Read it, & decide whether a<b.",
            "choices": (it.scheme.choices[0].model_copy(update={"question": "Is all of it supported?"}),),
        }
    )
    assert keep_project(it.client, it.zones.journal, it.name, reworded) == project
    changed = it.client.projects.get(project.project_id)
    assert changed.expert_instruction == "Read it, &amp; decide whether a&lt;b."
    assert "Is all of it supported?" in changed.label_config

    raised = keep_project(it.client, it.zones.journal, it.name, it.scheme.model_copy(update={"version": 2}))
    assert it.client.projects.get(raised.project_id).title == f"{it.name} v2"


def test_a_project_that_was_kept_in_step_is_found_though_renamed_or_not_recorded(
    labeling: Callable[[int], Labeling], tmp_path: Path
) -> None:
    it = labeling(1)
    project = keep_project(it.client, it.zones.journal, it.name, it.scheme)
    for entry in list(it.zones.journal.list("label_studio")):
        it.zones.journal.delete(entry.path)
    assert keep_project(it.client, it.zones.journal, it.name, it.scheme) == project
    it.client.projects.update(project.project_id, title="our favourite")
    assert keep_project(it.client, it.zones.journal, it.name, it.scheme) == project


def test_answers_that_lie_in_the_project_keep_their_questions(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(1)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[_region("hallucinated")])
    choice = it.scheme.choices[0].model_copy(update={"choices": ("grounded", "unsure")})
    with pytest.raises(LabelStudioError, match=rf"assets/schemes/{it.name}\.yaml: .* raise `version`"):
        keep_project(it.client, it.zones.journal, it.name, it.scheme.model_copy(update={"choices": (choice,)}))


def test_sending_twice_doubles_nothing(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(7)
    first, second = it.send(), it.send()
    assert (first.sent, first.already_there, first.problems) == (7, 0, ())
    assert (second.sent, second.already_there, second.problems) == (0, 7, ())
    assert task_count(it.client, it.project) == 7
    assert set(batches_sent(it.zones.journal, it.project)[it.draw.draw_id].values()) == set(it.task_ids)


def test_sending_without_its_record_doubles_nothing(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(7)
    it.send()
    for entry in list(it.zones.journal.list("label_studio")):
        it.zones.journal.delete(entry.path)
    again = it.send()
    assert (again.sent, again.already_there, task_count(it.client, it.project)) == (0, 7, 7)


def test_a_thousand_tasks_cut_off_half_way_are_completed_and_not_doubled(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(1_000)
    send_chunk = send._send_chunk

    def cut_off(*arguments: Any) -> None:
        send_chunk(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(send, "_send_chunk", cut_off)
        it.send()
    assert task_count(it.client, it.project) == 500
    again = it.send()
    assert (again.sent, again.already_there, again.problems) == (500, 500, ())
    items = [task["data"]["item_id"] for task in list_tasks(it.client, it.project.project_id, [])]
    assert sorted(items) == sorted(item.item_id for item in it.draw.items)


def test_a_chunk_that_the_server_took_though_the_client_gave_up_is_not_sent_again(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(500)
    slept: list[float] = []
    clock = SimpleNamespace(sleep=lambda seconds: (slept.append(seconds), time.sleep(1)))
    monkeypatch.setattr(send, "time", clock)
    # The request arrives whole, and its answer comes later than this.
    monkeypatch.setattr(send, "ONCE", {"max_retries": 0, "timeout": 0.02})
    assert it.send().sent == 500
    assert slept, "the client did not give up: nothing was tried"
    assert task_count(it.client, it.project) == 500


def test_a_chunk_that_never_arrives_is_an_error_and_is_sent_by_the_next_run(
    labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = labeling(3)

    def lost(*_: Any, **__: Any) -> None:
        raise Unanswered("no answer")

    monkeypatch.setattr(send, "SECONDS_BETWEEN_LOOKS", 0.0)
    with monkeypatch.context() as patched, pytest.raises(Unanswered):
        patched.setattr(it.client.projects, "import_tasks", lost)
        it.send()
    assert it.send().sent == 3


def test_tasks_that_others_imported_or_removed_are_reported(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(3)
    it.send()
    first, second, _ = it.draw.items
    data = json.loads(it.zones.exchange.read(f"label-studio/{it.name}/out/{DAY}.json"))
    doubled = [task for task in data if task["data"]["item_id"] == first.item_id]
    it.client.projects.import_tasks(it.project.project_id, request=doubled)
    it.client.projects.import_tasks(
        it.project.project_id, request=[{"data": {**data[0]["data"], "item_id": "other", "batch_id": "other"}}]
    )
    it.client.tasks.delete(str(batches_sent(it.zones.journal, it.project)[it.draw.draw_id][second.item_id]))
    again = it.send()
    assert again.sent == 0
    several, removed, strangers = again.problems
    assert several.startswith("1 items have several tasks") and first.item_id in several
    assert removed.startswith("1 items were sent and are not in the project any more") and second.item_id in removed
    assert strangers.startswith("1 tasks were not sent from here")


def test_an_annotation_is_followed_when_made_edited_and_deleted(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(3)
    it.send()
    assert it.pull().annotations == 0
    made = it.client.annotations.create(it.task_ids[0], result=[_region("grounded")], lead_time=4.5)
    first = it.pull()
    assert (first.new, first.deleted, first.days, first.problems) == (1, 0, (DAY,), ())
    (row,) = it.labels()
    assert json.loads(row["result"]) == {"groundedness": "grounded", "spans": []}
    assert (row["duration_s"], row["deleted_at"], row["inclusion_probability"]) == (4.5, None, 1.0)
    assert it.pull().new == 0

    it.client.annotations.update(made.id, result=[_region("hallucinated")])
    second = it.pull()
    assert (second.swept, second.new, second.days) == (False, 1, (DAY,))
    (row,) = it.labels()
    assert json.loads(row["result"])["groundedness"] == "hallucinated"

    it.client.annotations.delete(made.id)
    third = it.pull()
    assert (third.swept, third.new, third.deleted, third.days) == (False, 0, 1, (DAY,))
    (row,) = it.labels()
    assert row["deleted_at"] is not None
    fourth = it.pull(sweep=True)
    assert (fourth.swept, fourth.new, fourth.deleted, fourth.days) == (True, 0, 0, ())
    last = last_pull(it.zones.journal, it.project)
    assert last is not None and last.present == frozenset()


def test_a_sweep_finds_what_went_with_its_task(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(2)
    it.send()
    for task_id in it.task_ids:
        it.client.annotations.create(task_id, result=[_region("grounded")])
    assert it.pull().new == 2
    it.client.tasks.delete(str(it.task_ids[0]))
    assert it.pull().deleted == 0
    assert it.pull(sweep=True).deleted == 1
    assert sorted(row["deleted_at"] is None for row in it.labels()) == [False, True]


def test_a_pull_that_was_cut_off_before_its_record_is_repeated_without_doubles(
    labeling: Callable[[int], Labeling],
) -> None:
    it = labeling(1)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[_region("grounded")])
    it.pull()
    for entry in list(it.zones.journal.list(f"{it.project.folder}/pulls")):
        it.zones.journal.delete(entry.path)
    again = it.pull()
    assert (again.annotations, again.new) == (1, 0)
    assert len(list(it.zones.journal.list(f"annotations/{DAY}"))) == 1


def test_a_skip_is_taken_and_a_draft_is_not(labeling: Callable[[int], Labeling], server: Server) -> None:
    import httpx

    it = labeling(2)
    it.send()
    skipped, drafted = it.task_ids
    simulated = {**_region("grounded"), "meta": {"simulated": True}}
    it.client.annotations.create(skipped, result=[simulated], was_cancelled=True)
    draft = {"result": [_region("grounded")], "lead_time": 1.0}
    headers = {"Authorization": f"Token {server.api_key}"}
    httpx.post(f"{server.url}/api/tasks/{drafted}/drafts", json=draft, headers=headers).raise_for_status()
    assert it.pull().new == 1
    (row,) = it.labels()
    assert (row["cancelled"], row["result"], row["simulated"]) == (True, None, True)


def test_what_the_scheme_does_not_ask_lands_in_the_quarantine_once(labeling: Callable[[int], Labeling]) -> None:
    it = labeling(2)
    it.send()
    it.client.annotations.create(it.task_ids[0], result=[_region("perhaps")])
    it.client.annotations.create(it.task_ids[1], result=[_region("grounded")])
    found = it.pull()
    ((place, problem),) = found.problems
    assert (found.new, place) == (1, f"{it.name} v1, project {it.project.project_id}")
    assert "'perhaps' is not an answer of the scheme" in problem.message
    assert len(it.pull(sweep=True).problems) == 1
    (entry,) = it.zones.journal.list(f"rejected_annotations/{it.name}")
    kept = json.loads(it.zones.journal.read(entry.path))
    assert kept["raw"]["annotation"]["result"][0]["value"] == {"choices": ["perhaps"]}
    assert "created_username" not in kept["raw"]["annotation"]


def test_an_annotation_is_the_same_by_either_door(labeling: Callable[[int], Labeling], server: Server) -> None:
    import httpx

    from canonry.label.inbox import import_annotations

    it = labeling(2)
    it.send()
    for task_id in it.task_ids:
        it.client.annotations.create(task_id, result=[_region("grounded")], lead_time=3.0)
    assert it.pull().new == 2
    exported = httpx.get(
        f"{server.url}/api/projects/{it.project.project_id}/export",
        params={"exportType": "JSON"},
        headers={"Authorization": f"Token {server.api_key}"},
    )
    it.zones.exchange.put(f"label-studio/{it.name}/in/export.json", exported.content)
    by_file = import_annotations(it.zones, it.name, it.scheme)
    assert (by_file.annotations, by_file.new, by_file.problems) == (2, 0, ())


def test_a_personal_access_token_is_as_good_as_a_legacy_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, labeling: Callable[[int], Labeling]
) -> None:
    import httpx

    headers = {"Authorization": f"Token {server.api_key}"}
    token = httpx.post(f"{server.url}/api/token/", headers=headers).raise_for_status().json()["token"]
    monkeypatch.setenv(KEY, token)
    by_token = connect()
    assert by_token is not None
    it = labeling(2)
    assert send_tasks(it.zones, by_token, it.name, it.scheme).sent == 2

    blacklisted = httpx.post(f"{server.url}/api/token/blacklist/", headers=headers, json={"refresh": token})
    blacklisted.raise_for_status()
    with pytest.raises(LabelStudioError, match="LABEL_STUDIO_API_KEY is wrong, expired or revoked") as refused:
        connect()
    assert token not in str(refused.value)


EXPIRED = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJlLXRoYXQtbm9ib2R5LWNoZWNrcw"


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        (None, "0" * 40, "LABEL_STUDIO_API_KEY is wrong, expired or revoked; make a personal access token"),
        (None, EXPIRED, "LABEL_STUDIO_API_KEY is wrong, expired or revoked"),
        ("http://127.0.0.1:9", None, "cannot be reached .*; is it running, and is LABEL_STUDIO_URL right"),
        ("{server}/nowhere", None, "is LABEL_STUDIO_URL right"),
        ("label-studio", None, "LABEL_STUDIO_URL is not a URL"),
        ("", None, "LABEL_STUDIO_URL is not set: set both"),
    ],
)
def test_a_wrong_key_or_url_is_an_error_that_says_what_to_do(
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str | None, key: str | None, message: str
) -> None:
    monkeypatch.setenv(URL, server.url if url is None else url.format(server=server.url))
    monkeypatch.setenv(KEY, key or server.api_key)
    with pytest.raises(LabelStudioError, match=message) as refused:
        connect()
    assert server.api_key not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_server_that_dies_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path / "data") as server:
        monkeypatch.setenv(URL, server.url)
        monkeypatch.setenv(KEY, server.api_key)
        client = connect()
        assert client is not None
        assert list_tasks(client, client.projects.create(title="short-lived").id, []) == []
    with pytest.raises(LabelStudioError, match="cannot be reached"):
        list_tasks(client, 1, [])


def test_the_server_listens_on_this_machine_alone(server: Server) -> None:
    port = f":{int(server.url.rpartition(':')[2]):04X}"
    listening = [line.split() for line in Path(f"/proc/{server.process_id}/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1] for fields in listening if fields[1].endswith(port) and fields[3] == "0A"}
    assert addresses == {f"0100007F{port}"}


def test_a_reviewer_sees_passages_question_answer_and_choices_and_labels_in_a_browser(
    labeling: Callable[[int], Labeling], server: Server, page: Page
) -> None:
    it = labeling(1)
    it.send()
    page.goto(f"{server.url}/user/login")
    page.fill("input[name=email]", server.username)
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{server.url}/projects/{it.project.project_id}/data?labeling=1")
    expect(page.get_by_text("Labeling Instructions")).to_be_visible()
    page.get_by_role("button", name="Close modal").click()
    for text in ("Question to site", "How do I open a file, 0?", "Open a file and return a stream.", "Supported?"):
        expect(page.get_by_text(text, exact=True)).to_be_in_viewport()
    expect(page.get_by_text("00:00:00")).not_to_be_visible()
    page.get_by_text("hallucinated").click()
    page.get_by_test_id("bottombar-submit-button").click()
    expect(page.get_by_text("No more")).to_be_visible()
    assert it.pull().new == 1
    (row,) = it.labels()
    assert json.loads(row["result"]) == {"groundedness": "hallucinated", "spans": []}
    assert row["simulated"] is False
