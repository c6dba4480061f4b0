"""Reads `assets/`: specs by kind and name, references checked, every problem reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from canonry.catalog import expressions
from canonry.catalog.comparisons import comparison_problems
from canonry.catalog.rules import rule_problem
from canonry.catalog.specs import (
    JUDGED,
    KINDS,
    MEASURES,
    NAME_PATTERN,
    Anchors,
    ComparisonSpec,
    DriftSpec,
    EvalSpec,
    GroundednessSpec,
    IndexSpec,
    JudgeSpec,
    ModelSpec,
    MonitorSpec,
    PromptSpec,
    RulesSpec,
    SchemeSpec,
    ScorerSpec,
    SourceSpec,
    Spec,
    named_by,
)
from canonry.events import EVENT_TYPES


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in one field of one file."""

    path: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.field}: {self.message}"


class CatalogError(Exception):
    """The catalog does not hold; `problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Catalog:
    """Every governed thing, by kind and name. A name is its file's name."""

    root: Path
    sources: dict[str, SourceSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    prompts: dict[str, PromptSpec] = field(default_factory=dict)
    schemes: dict[str, SchemeSpec] = field(default_factory=dict)
    indexes: dict[str, IndexSpec] = field(default_factory=dict)
    scorers: dict[str, ScorerSpec] = field(default_factory=dict)
    evals: dict[str, EvalSpec] = field(default_factory=dict)
    """Rates."""
    comparisons: dict[str, ComparisonSpec] = field(default_factory=dict)
    """Of the folder `evals`, too."""
    monitors: dict[str, MonitorSpec] = field(default_factory=dict)
    drifts: dict[str, DriftSpec] = field(default_factory=dict)

    def shows_texts(self, product: str) -> bool:
        """Whether texts of a product's calls may be shown to everybody who reads the scorecard."""
        return any(spec.show_texts and (not spec.products or product in spec.products) for spec in self.drifts.values())

    def path(self, kind: str, name: str) -> Path:
        """The file that governs one thing."""
        return self.root / kind / f"{name}.yaml"

    def items(self) -> Iterator[tuple[str, str, Spec]]:
        """Kind (its folder), name and spec of everything."""
        for kind in (*KINDS, "comparisons"):
            for name, spec in getattr(self, kind).items():
                yield spec.folder, name, spec


def load(root: str | Path = "assets") -> Catalog:
    """Read a folder of YAML files. Raises CatalogError with every problem of every file."""
    root = Path(root)
    if not root.is_dir():
        raise CatalogError([Problem(str(root), "folder", "does not exist; run from the project's root")])
    catalog = Catalog(root)
    problems: list[Problem] = []
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if len(relative.parts) != 2 or relative.parts[0] not in KINDS or path.suffix != ".yaml":
            problems.append(
                Problem(str(path), "path", f"expected assets/KIND/NAME.yaml with KIND of {', '.join(KINDS)}")
            )
            continue
        if not re.fullmatch(NAME_PATTERN, path.stem):
            problems.append(Problem(str(path), "path", f"a name is letters, digits, dots, dashes: {NAME_PATTERN}"))
            continue
        spec = _read(path, KINDS[relative.parts[0]], problems)
        if spec is not None:
            kind = "comparisons" if isinstance(spec, ComparisonSpec) else relative.parts[0]
            getattr(catalog, kind)[path.stem] = spec
    problems += _references(catalog, {Path(problem.path) for problem in problems})
    if problems:
        raise CatalogError(problems)
    return catalog


class _Loader(yaml.CSafeLoader):
    """YAML that refuses a key given twice, and takes `yes`, `no`, `on`, `off` for words, as YAML 1.2 and editors do."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key is not a single word", problem_mark=key.start_mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_BOOLEAN = "tag:yaml.org,2002:bool"

_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _read(path: Path, kind: type[Spec], problems: list[Problem]) -> Spec | None:
    try:
        document = yaml.load(path.read_bytes(), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "file"
        problems.append(Problem(str(path), where, f"is not YAML: {getattr(error, 'problem', None) or error}"))
        return None
    if not isinstance(document, dict):
        problems.append(Problem(str(path), "file", f"expected a mapping of fields, found {type(document).__name__}"))
        return None
    try:
        return kind.class_of(document).model_validate(document)
    except ValidationError as error:
        for each in error.errors():
            where = ".".join(str(part) for part in each["loc"])
            message = each["msg"].removeprefix("Value error, ")
            # A check on several fields names the one to change itself: "prices.1: ...".
            named = re.match(r"([a-z_]+(?:\.\w+)+): ", message)
            if named and each["type"] == "value_error":
                where, message = f"{where}.{named[1]}".lstrip("."), message[named.end() :]
            problems.append(Problem(str(path), where or "file", message))
        return None


def _references(catalog: Catalog, broken: set[Path]) -> Iterator[Problem]:
    def missing(kind: str, name: str, where: str, target_kind: str, target: str) -> Iterator[Problem]:
        target_path = catalog.path(target_kind, target)
        known = ", ".join(sorted(getattr(catalog, target_kind))) or "none"
        if target not in getattr(catalog, target_kind) and target_path not in broken:
            message = f"{target!r} is not governed: there is no {target_path} (known: {known})"
            yield Problem(str(catalog.path(kind, name)), where, message)

    for name, source in catalog.sources.items():
        yield from _expressions(catalog, name, source)
    for name, index in catalog.indexes.items():
        yield from missing("indexes", name, "encoder", "models", index.encoder)
        model = catalog.models.get(index.encoder)
        if model and model.role != "encoder":
            path, other = catalog.path("indexes", name), catalog.path("models", index.encoder)
            yield Problem(str(path), "encoder", f"{other} has role {model.role}, not encoder")
        if model and model.encoder and index.chunking.max_tokens > model.encoder.max_tokens:
            other = catalog.path("models", index.encoder)
            message = f"{index.chunking.max_tokens} is more than the {model.encoder.max_tokens} of {other}"
            yield Problem(str(catalog.path("indexes", name)), "chunking.max_tokens", message)
    for name, scorer in catalog.scorers.items():
        for where, target_kind, target in named_by(scorer):
            yield from missing("scorers", name, where, target_kind, target)
        yield from _of_scorer(catalog, name, scorer)
    for name, spec in catalog.evals.items():
        yield from missing("evals", name, "scheme", "schemes", spec.scheme)
        if scheme := catalog.schemes.get(spec.scheme):
            yield from _reads_scheme(catalog, "evals", name, spec, scheme)
    for name, monitor in catalog.monitors.items():
        measured = MEASURES[monitor.measure]
        if monitor.of is not None and measured.of in KINDS:
            yield from missing("monitors", name, "of", measured.of, monitor.of)
        watched = catalog.evals.get(monitor.of or "") if monitor.measure == "quality" else None
        if watched and monitor.slice not in watched.slices:
            message = f"{list(monitor.slice)} is not a slice of {catalog.path('evals', monitor.of or '')}"
            yield Problem(str(catalog.path("monitors", name)), "slice", message)
    for name, comparison in catalog.comparisons.items():
        for where, target_kind, target in comparison.named():
            yield from missing("evals", name, where, target_kind, target)
        for where, message in comparison_problems(catalog, comparison):
            yield Problem(str(catalog.path("evals", name)), where, message)
    for name, drift in catalog.drifts.items():
        yield from missing("drifts", name, "encoder", "models", drift.encoder)
        if (model := catalog.models.get(drift.encoder)) and model.role != "encoder":
            path, other = catalog.path("drifts", name), catalog.path("models", drift.encoder)
            yield Problem(str(path), "encoder", f"{other} has role {model.role}, not encoder")
    yield from _versions_claimed_once(catalog)


def _expressions(catalog: Catalog, name: str, source: SourceSpec) -> Iterator[Problem]:
    path = str(catalog.path("sources", name))
    for number, emit in enumerate(source.emits):
        where = f"emits.{number}"
        event = EVENT_TYPES[emit.event]
        for required in (event.id_field, event.time_field):
            if required not in emit.fields:
                yield Problem(path, f"{where}.fields", f"{required} is missing; {emit.event} need it")
        for field_name, expression in emit.fields.items():
            if wrong := expressions.problem(expression):
                yield Problem(path, f"{where}.fields.{field_name}", wrong)
        if emit.where and (wrong := expressions.problem(emit.where)):
            yield Problem(path, f"{where}.where", wrong)


def _of_scorer(catalog: Catalog, name: str, scorer: ScorerSpec) -> Iterator[Problem]:
    path = str(catalog.path("scorers", name))
    anchors = scorer.anchors if isinstance(scorer, GroundednessSpec | JudgeSpec) else None
    for inside, reader in (("", scorer if isinstance(scorer, GroundednessSpec) else None), ("anchors.", anchors)):
        if reader and (scheme := catalog.schemes.get(reader.scheme)):
            yield from _reads_scheme(catalog, "scorers", name, reader, scheme, inside)
    if isinstance(scorer, JudgeSpec) and (prompt := catalog.prompts.get(scorer.prompt)):
        other = catalog.path("prompts", scorer.prompt)
        if scorer.prompt_version > len(prompt.versions):
            yield Problem(path, "prompt_version", f"{other} has {len(prompt.versions)} versions")
        if unknown := set(prompt.variables) - set(JUDGED):
            message = f"{other} has the variables {', '.join(sorted(unknown))}; a judge fills in {', '.join(JUDGED)}"
            yield Problem(path, "prompt", message)
    if isinstance(scorer, RulesSpec):
        for number, rule in enumerate(scorer.rules):
            if wrong := rule_problem(rule):
                yield Problem(path, f"rules.{number}", wrong)


def _reads_scheme(
    catalog: Catalog,
    kind: str,
    name: str,
    spec: EvalSpec | GroundednessSpec | Anchors,
    scheme: SchemeSpec,
    inside: str = "",
) -> Iterator[Problem]:
    path, other = str(catalog.path(kind, name)), catalog.path("schemes", spec.scheme)
    choices = {choice.name: choice.choices for choice in scheme.choices}
    if spec.field not in choices:
        yield Problem(path, f"{inside}field", f"{other} has no choice {spec.field!r} (it has {', '.join(choices)})")
    elif spec.positive not in choices[spec.field]:
        yield Problem(path, f"{inside}positive", f"{spec.positive!r} is not an answer of {spec.field!r} in {other}")


def _versions_claimed_once(catalog: Catalog) -> Iterator[Problem]:
    owner: dict[tuple[str, str], str] = {}
    for name, model in catalog.models.items():
        for version in model.versions:
            first = owner.setdefault((model.provider, version), name)
            if first != name:
                message = f"{version!r} is already a version of {catalog.path('models', first)}"
                yield Problem(str(catalog.path("models", name)), "versions", message)
