"""Label Studio on PostgreSQL, as it is deployed: what is sent, answered, changed and deleted goes the same round."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from label_studio_sdk import LabelStudio

from canonry.demo.label_studio_server import PACKAGES, Server, copy_data, make_data, running
from canonry.demo.programs import environment, made_once
from canonry.label.studio import KEY, URL, connect
from tests.system.labeling import DAY, Labeling, region
from tests.system.postgresql import PostgreSQL, postgresql

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
DUMP = "labelstudio.dump"


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    """A server with the databases and roles of docs/deploy."""
    with postgresql() as found:
        found.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(DEPLOY / "databases.sql"))
        found.run("psql", "-q", "-c", f"ALTER ROLE labelstudio PASSWORD '{found.password}'")
        yield found


@pytest.fixture(scope="module")
def server(database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Label Studio with the settings a server gets; its tables are made once, and dumped beside its environment."""
    settings = deployed_settings(database)
    made: list[Path] = []

    def make(folder: Path) -> None:
        make_data(folder, settings)
        database.run("pg_dump", "--format=custom", f"--file={folder / DUMP}", "labelstudio", user="labelstudio")
        made.append(folder)

    golden = made_once(environment(PACKAGES).with_name("golden-postgresql"), make)
    if not made:
        restored = ["--exit-on-error", "--no-owner", "--dbname=labelstudio", str(golden / DUMP)]
        database.run("pg_restore", *restored, user="labelstudio")
    data = tmp_path_factory.mktemp("label-studio") / "data"
    copy_data(golden, data)
    with running(data, settings=settings) as found:
        yield found


def deployed_settings(database: PostgreSQL) -> dict[str, str]:
    """The database settings of docs/deploy, of a database that asks for a password."""
    example = (DEPLOY / "label-studio.environment.example").read_text().splitlines()
    named = dict(line.split("=", 1) for line in example if line.startswith(("DJANGO_DB=", "POSTGRE_")))
    here = {"HOST": "127.0.0.1", "PORT": str(database.port), "PASSWORD": database.password}
    return {**named, **{f"POSTGRE_{name}": value for name, value in here.items()}}


def test_its_tables_lie_in_postgresql(server: Server, database: PostgreSQL) -> None:
    count = "SELECT count(*) FROM htx_user WHERE email = '" + server.username + "'"
    assert database.run("psql", "-tA", "-d", "labelstudio", "-c", count, user="labelstudio").strip() == "1"


def test_the_whole_round_with_a_personal_access_token(
    server: Server, client: LabelStudio, labeling: Callable[[int], Labeling], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Token {server.api_key}"}
    token = httpx.post(f"{server.url}/api/token/", headers=headers).raise_for_status().json()["token"]
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(KEY, token)
    by_token = connect()
    assert by_token is not None
    drawn = labeling(5)
    it = Labeling(drawn.zones, by_token, drawn.name, drawn.scheme, drawn.draw)

    first, second = it.send(), it.send()
    assert (first.sent, second.sent, second.already_there, second.problems) == (5, 0, 5, ())
    one, other, skipped = it.task_ids[:3]
    made = by_token.annotations.create(one, result=[region("grounded")], lead_time=4.5)
    by_token.annotations.create(other, result=[region("grounded")])
    by_token.annotations.create(skipped, result=[], was_cancelled=True)
    assert it.pull().new == 3
    assert it.pull().new == 0

    by_token.annotations.update(made.id, result=[region("hallucinated")])
    edited = it.pull()
    assert (edited.swept, edited.new, edited.days) == (False, 1, (DAY,))
    by_token.annotations.delete(made.id)
    deleted = it.pull()
    assert (deleted.swept, deleted.deleted) == (False, 1)
    by_token.tasks.delete(str(other))
    swept = it.pull(sweep=True)
    assert (swept.swept, swept.deleted, swept.problems) == (True, 1, ())

    rows = {row["annotation_id"].rpartition(".")[2]: row for row in it.labels()}
    assert len(rows) == 3
    gone = rows[str(made.id)]
    assert json.loads(gone["result"])["groundedness"] == "hallucinated" and gone["deleted_at"] is not None
    assert [row["cancelled"] for row in rows.values() if row["deleted_at"] is None] == [True]
