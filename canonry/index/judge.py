"""Candidates before their release: what the gate says of each, two versions compared, and what may be released."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from canonry import release
from canonry.catalog import IndexSpec
from canonry.embedded import embed
from canonry.encode import EncoderFiles
from canonry.index import candidate, carried, gate, made_of, store, tables
from canonry.index.answers import Contender
from canonry.index.audiences import EVERYBODY, Audience, golden_for, releases_of
from canonry.index.chunks import embedded_texts
from canonry.index.erased import erased
from canonry.index.errors import IndexBuildError
from canonry.index.golden import Golden, golden_queries
from canonry.index.passage_vectors import chunk_vectors
from canonry.index.soundness import latency, soundness
from canonry.search import CHUNKS, SearchError
from canonry.storage import Zones


def check_candidates(
    zones: Zones, name: str, spec: IndexSpec, now: dt.datetime | None = None
) -> dict[str, gate.GateReport]:
    """Ask the gate about every audience's latest candidate; reports by name of the release."""
    reports = {
        each: check_candidate(zones, name, spec, audience, now)
        for each, audience in releases_of(zones.lake, name).items()
    }
    found = {each: report for each, report in reports.items() if report}
    return {**found, **_vanished(zones, name)} if found else found


def check_candidate(
    zones: Zones, name: str, spec: IndexSpec, audience: Audience = EVERYBODY, now: dt.datetime | None = None
) -> gate.GateReport | None:
    """Ask the gate about an audience's latest candidate, and keep its answer beside it; None where there is none.

    Without `now` no document is called old.
    """
    release_name = audience.release_of(name)
    version = store.latest_version(zones.lake, release_name)
    if version is None:
        return None
    built = store.read_candidate(zones.lake, release_name, version)
    golden = _golden(zones, name, spec, audience)
    encoder = EncoderFiles.from_metadata(built.metadata["encoder"])
    chunks = tables.table_of(built.files[CHUNKS])
    released = _released(zones, release_name, golden)
    try:
        contender = _contender(zones, version, built.files, built.metadata, golden)
        checks = soundness(chunks, built.metadata, released.index.vectors.chunks if released else None, spec.gate, now)
        vectors = chunk_vectors(zones.lake, name, encoder, embedded_texts(chunks)).vectors
        checks += latency(contender.index, vectors, spec.gate)
        report = gate.check(contender, vectors, golden, released, spec.gate, checks)
    except SearchError as error:
        report = gate.refused(f"the candidate cannot be searched: {error}", released.version if released else None)
    store.put_gate(zones.lake, release_name, version, report.to_metadata())
    return report


def compare_versions(
    zones: Zones, name: str, spec: IndexSpec, before: str, after: str, audience: Audience = EVERYBODY
) -> gate.Judged:
    """Two versions asked the golden queries, as its gate asks them. Each is a version, a channel, or a candidate's.

    Raises NotReleased where there is no such version, IndexBuildError where there are no golden queries.
    """
    golden, first, second = contenders(zones, name, spec, before, after, audience)
    return gate.judge(second, golden, first, spec.gate)


def contenders(
    zones: Zones, name: str, spec: IndexSpec, before: str, after: str, audience: Audience = EVERYBODY
) -> tuple[list[Golden], Contender, Contender]:
    """Golden queries, of which there is one at least, and two versions that can be asked them. Raises as above."""
    golden = _golden(zones, name, spec, audience)
    if not golden:
        raise IndexBuildError(f"assets/indexes/{name}.yaml: has no golden queries to compare versions by; add some")
    first, second = (_version(zones, audience.release_of(name), which, golden) for which in (before, after))
    return golden, first, second


def release_candidates(zones: Zones, name: str) -> dict[str, store.Candidate]:
    """Every audience's latest candidate by name of its release; none where there are no documents yet.

    Raises IndexBuildError, before anything is released, where one may not be.
    """
    latest = [each for each in releases_of(zones.lake, name) if store.latest_version(zones.lake, each)]
    if latest and (vanished := _vanished(zones, name)):
        raise IndexBuildError(f"index {name}: {'; '.join(each.reasons[0] for each in vanished.values())}")
    return {each: release_candidate(zones, each) for each in latest}


def release_candidate(zones: Zones, name: str) -> store.Candidate:
    """The latest candidate, its gate's answer in its metadata: files, metadata and lineage for `release.publish`.

    Raises IndexBuildError where there is none, or where the gate did not let it pass, or judged it beside a version
    that is not the released one any more.
    """
    version = store.latest_version(zones.lake, name)
    answer = store.read_gate(zones.lake, name, version) if version else None
    if version is None or answer is None:
        raise IndexBuildError(f"index {name}: no candidate went through the gate; build and check one first")
    if not answer["passed"]:
        reasons = "; ".join(answer["reasons"])
        raise IndexBuildError(f"index {name}: candidate {version} did not pass its gate: {reasons}")
    move = release.last_move(zones.published, "indexes", name)
    yanked = move is not None and release.is_yanked(zones.published, "indexes", name, move.version)
    if move and not yanked and move.version not in (version, answer["released_version"]):
        found = f"was compared with {answer['released_version']}, but {move.version} is released now"
        raise IndexBuildError(f"index {name}: candidate {version} {found}; check it again")
    built = store.read_candidate(zones.lake, name, version)
    if made_of.documents_of(zones.lake, name, version, built.lineage, erased(zones).calls):
        raise IndexBuildError(f"index {name}: candidate {version} holds what was erased since; build it again")
    files = {**built.files, **carried.read_carried(zones.lake, built.carried)}
    return store.Candidate(version, files, built.carried, {**built.metadata, "gate": answer}, built.lineage)


def _vanished(zones: Zones, name: str) -> dict[str, gate.GateReport]:
    """A refusal for every audience that nothing is for any more: what it may still read is not withdrawn by itself."""
    now = releases_of(zones.lake, name)
    found = {}
    for each in release.names(zones.published, "indexes"):
        if not each.startswith(f"{name}.") or each in now:
            continue
        try:
            there = release.resolve(zones.published, "indexes", each)
        except release.ReleaseError:
            continue
        about = there.manifest.metadata
        if about.get("index") == name:
            reason = (
                f"no document needs {', '.join(about['access'])} any more, but {each} is released with "
                f"{about['vectors']:,} chunks: if that is meant, `canonry releases yank indexes {each} {there.version} "
                "--force`, then check again"
            )
            found[each] = gate.refused(reason, there.version)
    return found


def _golden(zones: Zones, name: str, spec: IndexSpec, audience: Audience) -> list[Golden]:
    golden = golden_queries(name, spec, zones)
    chunks = tables.read_if_there(zones.lake, tables.chunks_path(name))
    return golden if chunks is None else golden_for(golden, chunks, audience)


def _released(zones: Zones, name: str, golden: list[Golden]) -> Contender | None:
    try:
        found = release.resolve(zones.published, "indexes", name)
    except (release.NotReleased, release.Withdrawn):
        return None
    return _contender_of(zones, found, golden)


def _version(zones: Zones, name: str, which: str, golden: list[Golden]) -> Contender:
    if store.has_candidate(zones.lake, name, which):
        built = store.read_candidate(zones.lake, name, which)
        return _contender(zones, which, built.files, built.metadata, golden)
    return _contender_of(zones, release.resolve(zones.published, "indexes", name, which), golden)


def _contender_of(zones: Zones, found: release.Release, golden: list[Golden]) -> Contender:
    files = {path: found.read(path) for path in candidate.OWN_FILES if path in found.manifest.files}
    return _contender(zones, found.version, files, found.manifest.metadata, golden)


def _contender(
    zones: Zones, version: str, files: dict[str, bytes], metadata: Mapping[str, Any], golden: list[Golden]
) -> Contender:
    # A version answers with the encoder it was made with, which may not be today's.
    encoder = EncoderFiles.from_metadata(metadata["encoder"])
    queries = embed(zones.lake, encoder, [each.query for each in golden])
    tuned = bool((metadata.get("fusion") or {}).get("tuned_on") or metadata.get("search"))
    return Contender(version, candidate.opened(files), queries.vectors, tuned)
