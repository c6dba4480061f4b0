"""A service that is down for a while and comes back: its products lose nothing, and never notice."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from canonry import lake
from canonry.storage import Zones, open_zones
from tests.client.test_real_service import ROOT, key, port, serving
from tests.collect.making import collect_all, ids
from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "key", "port", "s3_endpoint"]


@pytest.fixture(params=["folder", "object store"])
def zones(request: pytest.FixtureRequest, tmp_path: Path) -> Zones:
    """Empty zones, in a folder and on the object store's emulator."""
    found = open_zones(tmp_path / "home" if request.param == "folder" else request.getfixturevalue("bucket"))
    lake.ensure_anchors(found.lake)
    return found


PRODUCT = """
import json, sys, threading, time
from pathlib import Path
from canonry.client import EventLog

url, key, spool, folder = sys.argv[1:]
log = EventLog(url, key, spool=spool, fields={"product": "docs-site"})
seconds, failures, inferences, feedback = [], [], [], []

def timed(call, **fields):
    began = time.perf_counter()
    try:
        return call(**fields)
    except BaseException as error:
        failures.append(repr(error))
    finally:
        seconds.append(time.perf_counter() - began)

def work():
    while not Path(folder, "stop").exists():
        made = timed(log.log_inference, output_tokens=3, input_messages="How do I reset it? " * 20)
        inferences.append(made)
        if len(inferences) % 5 == 0:
            feedback.append(timed(log.give_feedback, inference_id=made, signal="thumb", value=1))
        time.sleep(0.002)

workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers: worker.start()
while any(worker.is_alive() for worker in workers):
    Path(folder, "logged").write_text(str(len(inferences)))
    time.sleep(0.02)
said = {"seconds": seconds, "failures": failures, "inferences": inferences, "feedback": feedback}
Path(folder, "said").write_text(json.dumps(said))
if Path(folder, "stop").read_text() == "when all is sent":
    assert log.flush(60)
assert log.stats().dropped == log.stats().rejected == 0, log.stats()
"""


class Product:
    """A process of a product, which logs from two threads until it is told to stop."""

    def __init__(self, url: str, key: str, spool: Path, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRODUCT, url, key, str(spool), str(folder)], cwd=ROOT, env=os.environ
        )

    def logs(self, more: int) -> None:
        """Wait until it has logged so many more calls."""
        before = self._logged()
        wait_until(lambda: self._logged() >= before + more, f"{more} more calls")

    def stop(self, when: str = "at once") -> dict[str, Any]:
        """Have it end as it should; gives what it logged."""
        beside = self.folder / "stop.new"
        beside.write_text(when)
        beside.rename(self.folder / "stop")
        assert self.process.wait(90) == 0
        said: dict[str, Any] = json.loads((self.folder / "said").read_text())
        return said

    def _logged(self) -> int:
        assert self.process.poll() is None, "the product has ended"
        file = self.folder / "logged"
        return int((file.read_text() if file.exists() else "") or 0)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.02)


def test_what_products_log_while_the_service_is_down_and_restarts_is_in_the_lake(
    zones: Zones, key: str, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed three times, with requests under way; one product ends while it is down, another lives through it all."""
    url, spool = f"http://127.0.0.1:{port}", tmp_path / "spool"
    said = []
    products = [Product(url, key, spool, tmp_path / name) for name in ("living", "ending")]
    living, ending = products
    try:
        living.logs(200)  # before there is a service
        with serving(zones, port):
            living.logs(400)
        living.logs(400)
        ending.logs(1)
        said.append(ending.stop())
        with serving(zones, port):
            living.logs(400)
        living.logs(200)
        with serving(zones, port):
            said.append(living.stop("when all is sent"))
            # What the one that ended has left is adopted by the next.
            following = Product(url, key, spool, tmp_path / "following")
            products.append(following)
            following.logs(1)
            said.append(following.stop("when all is sent"))
    finally:
        for product in products:
            product.process.kill()
            product.process.wait()
    assert [each["failures"] for each in said] == [[], [], []]
    assert [file for file in spool.rglob("*") if file.is_file()] == []
    collect_all(zones, today=dt.datetime.now(dt.UTC).date())
    for kind in ("inferences", "feedback"):
        logged = [each for product in said for each in product[kind]]
        assert len(logged) > 200
        assert Counter(ids(zones, kind)) == Counter(logged), kind
    micros = np.asarray([each for product in said for each in product["seconds"]]) * 1e6
    half, nearly_all = np.quantile(micros, [0.5, 0.99])
    with capsys.disabled():
        took = f"median {half:.0f} us, 99 % {nearly_all:.0f} us, longest {micros.max() / 1e3:.1f} ms"
        print(f"\n{micros.size:,} calls while the service was started and killed three times: {took}")
