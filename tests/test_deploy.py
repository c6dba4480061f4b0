"""The files of docs/deploy: the settings of the checkout, no secret, and services that may do little."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"
SERVICES = sorted(DEPLOY.glob("*.service"))


def unit(path: Path) -> configparser.RawConfigParser:
    """A unit's sections; of an option given twice, the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def test_the_servers_settings_are_those_of_the_checkout_with_state_on_postgresql() -> None:
    ours = yaml.safe_load((DEPLOY / "dagster.yaml").read_bytes())
    assert ours.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert ours == yaml.safe_load((ROOT / "dagster_project" / "dagster.yaml").read_bytes())


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*.example")), ids=lambda path: path.name)
def test_examples_of_environments_hold_no_secret(path: Path) -> None:
    settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE))
    secret = {name for name in settings if re.search(r"KEY|SECRET|PASSWORD|TOKEN", name)}
    assert secret
    assert {name: settings[name] for name in secret} == dict.fromkeys(secret, "")
    assert not any(re.search(r"://[^/@]*:[^/@]+@", value) for value in settings.values())


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_is_nobody_special_and_writes_where_it_must(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] not in ("", "root")
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["UMask"] == "0077"
    assert service.get("Type") == "oneshot" or service["Restart"] == "on-failure"


def test_servers_listen_on_this_machine_alone() -> None:
    commands = {path.stem: unit(path)["Service"]["ExecStart"] for path in SERVICES}
    assert "-h 127.0.0.1" in commands["canonry-webserver"]
    assert "--host 127.0.0.1" in commands["canonry-collector"]
    assert "--internal-host 127.0.0.1" in commands["label-studio"]
    socket = yaml.safe_load((DEPLOY / "workspace.yaml").read_bytes())["load_from"][0]["grpc_server"]["socket"]
    assert commands["canonry-code"].endswith(f"-s {socket}")
    assert unit(DEPLOY / "canonry-code.service")["Service"]["RuntimeDirectoryMode"] == "0700"
