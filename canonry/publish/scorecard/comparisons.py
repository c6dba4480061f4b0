"""Comparisons: what waited for its promotion beside what was released, the verdict, and every item that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from canonry.comparisons import Comparison
from canonry.publish.scorecard import formats
from canonry.publish.scorecard.differences import Difference, differences
from canonry.publish.scorecard.parts import Block, Missing, Panel, Panels, Prose, Section, Table
from canonry.publish.scorecard.read import Inputs

Texts = Mapping[str, Mapping[str, tuple[str | None, ...]]]
"""By digest of a comparison and item: question, answer before, answer after; only of those that may be shown."""

_LEAD = (
    "Each candidate and what was released in its place answered the same items, judged alike. A candidate is promoted "
    "where a loss of more than its margin is ruled out, whatever the point says."
)
_WORDS = {
    "better": "better: passes",
    "not worse": "not worse: passes",
    "first": "first",
    "worse": "worse: held back",
    "undecided": "undecided: held back",
}

_COLUMNS = (
    "comparison",
    "verdict",
    "difference",
    "interval",
    "margin",
    "items",
    "lost",
    "gained",
    "power",
    "items needed",
    "before",
    "after",
    "metric",
    "candidate",
    "released",
    "compared",
)
_SHORT = 10
"""Of these columns the first, which the page has place for."""


def section(inputs: Inputs) -> Section:
    """The last run of every comparison, and its flips."""
    last = _last(inputs.comparisons)
    if not last:
        text = "No candidate was compared with what is released yet. Comparisons lie in assets/evals/."
        return Section("comparisons", "Comparisons", _LEAD, [Missing(text, "canonry eval list")])
    blocks: list[Block] = []
    drawn = [each for each in last if each.verdict.low is not None]
    if drawn:
        says = "; ".join(f"{each.name}: {each.verdict.message}" for each in drawn)
        caption = (
            "Candidate minus released, with its interval. The dashed mark is the margin: an interval wholly to its "
            "right rules out a greater loss. A full point passed, a hollow one is held back."
        )
        panel = Panel("Paired difference", differences([_difference(each) for each in drawn], says=says))
        blocks.append(Panels("What the candidates gain and lose", caption, [panel]))
    blocks.append(_table("Last comparisons, differences in percentage points", last, columns=_SHORT))
    if simulated := sum(each.simulated for each in last):
        blocks.append(Prose(f"Of the labels that judged, {simulated:,} are simulated: a program played the reviewers."))
    blocks += [_flips(each, inputs.texts.get(each.digest, {})) for each in last if each.flips]
    blocks.append(_table("Every comparison, the newest first", inputs.comparisons[::-1], folded=True))
    held = [each for each in last if not each.verdict.passed]
    findings = tuple(
        f"{_of(each)} {each.candidate} is held back: {each.verdict.word} than {each.released}, "
        f"{formats.points(each.verdict.value)} points of {_metric(each)}."
        if each.verdict.word == "worse" and each.verdict.value is not None
        else f"{_of(each)} {each.candidate} is held back: undecided; see Comparisons for how many items it takes."
        for each in held
    )
    return Section("comparisons", "Comparisons", _LEAD, blocks, findings=findings)


def _last(made: Sequence[Comparison]) -> list[Comparison]:
    return [last for _, last in sorted({each.name: each for each in made}.items())]


def _difference(each: Comparison) -> Difference:
    verdict = each.verdict
    value, low, high = (float(end or 0.0) for end in (verdict.value, verdict.low, verdict.high))
    said = f"{formats.points(value)} ({formats.points(low)} to {formats.points(high)}), {verdict.word}"
    return Difference(each.name, said, value, low, high, verdict.margin or 0.0, verdict.passed)


def _table(caption: str, made: Sequence[Comparison], *, columns: int | None = None, folded: bool = False) -> Table:
    rows = [_row(each)[:columns] for each in made]
    return Table(caption, _COLUMNS[:columns], rows, numbers_from=2, folded=folded)


def _row(each: Comparison) -> tuple[str, ...]:
    verdict = each.verdict
    known = verdict.value is not None and verdict.low is not None and verdict.high is not None
    ends = f"{formats.points(verdict.low or 0)} to {formats.points(verdict.high or 0)}" if known else "none"
    return (
        each.name,
        _WORDS[verdict.word],
        formats.points(verdict.value or 0) if known else "none",
        ends,
        "none" if verdict.margin is None else formats.points(-verdict.margin),
        f"{verdict.pairs:,} of {each.items:,}",
        *("none" if count is None else f"{count:,}" for count in (verdict.lost, verdict.gained)),
        "none" if verdict.power is None else f"{verdict.power:.0%}",
        "none helps" if verdict.needed is None else f"{verdict.needed:,}",
        formats.share(each.before),
        formats.share(each.after),
        _metric(each),
        f"{_of(each)} {formats.named(each.candidate)}",
        formats.named(each.released),
        formats.moment(each.compared_at),
    )


def _flips(each: Comparison, texts: Mapping[str, tuple[str | None, ...]]) -> Table:
    lost = sum(flip.after < flip.before for flip in each.flips)
    caption = f"{each.name}: {len(each.flips):,} items that flipped, {lost:,} lost"
    columns = ("item", "before", "after", "judged by")
    rows = [
        (
            flip.item,
            _outcome(flip.before),
            _outcome(flip.after),
            formats.named(flip.judged_by),
            *_words(texts, flip.item),
        )
        for flip in each.flips
    ]
    if texts:
        columns = (*columns, "question", "answer before", "answer after")  # type: ignore[assignment]
    else:
        caption += f"; in words: canonry eval show {each.name} --texts"
    return Table(caption, columns, rows, numbers_from=len(columns), folded=True)


def _words(texts: Mapping[str, tuple[str | None, ...]], item: str) -> tuple[str, ...]:
    if not texts:
        return ()
    said = texts.get(item) or (None, None, None)
    return tuple("not kept" if text is None else formats.named(" ".join(text.split())) for text in said)


def _outcome(value: float) -> str:
    return {1.0: "good", 0.0: "not good"}.get(value, f"{value:.3f}")


def _of(each: Comparison) -> str:
    return f"{each.kind}/{each.of}"


def _metric(each: Comparison) -> str:
    return each.metric.replace("_", " ")
