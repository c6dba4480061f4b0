"""The units of docs/deploy as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
MOST_EXPOSED = 2.5


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units with their programs in a folder of the test: systemd looks whether they can be run."""
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is not installed: apt-get install systemd")
    made = []
    for path in sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")]):
        text = path.read_text().replace("/opt/", f"{tmp_path}/opt/")
        for program in re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE):
            if program.startswith(str(tmp_path)):
                Path(program).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy("/bin/true", program)
        made.append(tmp_path / path.name)
        made[-1].write_text(text)
    return made


def test_systemd_reads_every_unit_without_a_complaint(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_service_is_much_exposed(units: list[Path]) -> None:
    for path in units:
        if path.suffix == ".service":
            command = ["systemd-analyze", "security", "--offline=true", "--no-pager", path]
            told = subprocess.run(command, capture_output=True, text=True).stdout
            level = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
            assert level, told
            assert float(level[1]) <= MOST_EXPOSED, told
