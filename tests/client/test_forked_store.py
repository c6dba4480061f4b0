"""A worker that was forked after its parent had used an object store says so at once, and never waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from canonry.storage import open_zones
from tests.released import release_all

FORKED = """
import os, signal, sys, traceback
from canonry import client
from canonry.storage import StorageError

home, used_before = sys.argv[1], sys.argv[2] == "used before"
if used_before:
    index = client.open_index("docs", home=home, follow=True)
    client.get_prompt("answer", home=home, fresh_for=0)
    log = client.EventLog(home=home, source="docs-assistant", spool=False)
    log.log_inference(product="docs-site")
    assert log.flush(20)
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.alarm(20)
try:
    if used_before:
        reads = (
            index.refresh,
            lambda: client.open_index("docs", home=home),
            lambda: client.get_prompt("answer", home=home, fresh_for=0),
            lambda: client.read_table("cost_daily", home=home),
        )
        for read in reads:
            try:
                read()
            except StorageError as error:
                assert "in workers alone" in str(error), error
            else:
                raise AssertionError(f"read {reads.index(read)} was answered after all")
        assert len(index.search([1.0] * 8, k=3)) == 3, "what is open goes on answering"
        log.log_inference(product="docs-site")
        assert not log.flush(1)
        assert log.stats().dropped == 0
    else:
        assert len(client.open_index("docs", home=home).search([1.0] * 8, k=3)) == 3
    os._exit(0)
except BaseException:
    traceback.print_exc()
    os._exit(1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["used before", "never used"])
def test_a_forked_worker_never_waits_for_an_object_store(bucket: str, before: str) -> None:
    zones = release_all(open_zones(f"{bucket}/home"))
    arguments = [sys.executable, "-c", FORKED, zones.home, before]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
