"""Docstrings of Python source files, read without importing or running a line of them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_DOCTEST = re.compile(r"^\s*(>>>|\.\.\. )")
_HEADING = re.compile(r"^(Examples?|See [Aa]lso|References|Usage)\s*(:|\n\s*-{3,})", re.MULTILINE)
_DIRECTIVE = re.compile(r"^\s*\.\. [\w-]+::.*$", re.MULTILINE)
_ROLE = re.compile(r":[\w:]+:`[~!.]*([^`<]+?)(?:\s*<[^`]*>)?`")
_PARAMETER = re.compile(r"^\s*(?::param (?:\S+ )?|[-*] )?`?(\w+)`?\s*(?:\([^)\n]*\))?\s*[:,]", re.MULTILINE)


@dataclass(frozen=True)
class Documented:
    """A public class or function of a module, with its docstring."""

    name: str
    """As its module calls it: `merge`, `DataFrame.merge`."""
    parameters: tuple[str, ...]
    """Names of the parameters that its text explains."""
    text: str


def documented(source: Path) -> Iterator[Documented]:
    """Public classes, methods and functions of a file that have a docstring, in the order of the file."""
    yield from _documented(ast.parse(source.read_text(encoding="utf-8")).body, "")


def _documented(body: list[ast.stmt], prefix: str) -> Iterator[Documented]:
    for node in body:
        if not isinstance(node, _Definition) or node.name.startswith("_") or _is_overload(node):
            continue
        name = f"{prefix}{node.name}"
        text = _readable(ast.get_docstring(node, clean=True) or "")
        if text:
            explained = _explained(text)
            yield Documented(name, tuple(each for each in _parameters(node) if each in explained), text)
        if isinstance(node, ast.ClassDef):
            yield from _documented(node.body, f"{name}.")


def _readable(docstring: str) -> str:
    """Prose of a docstring: what comes before its examples, without doctests and markup."""
    if heading := _HEADING.search(docstring):
        docstring = docstring[: heading.start()]
    lines = [line for line in docstring.splitlines() if not _DOCTEST.match(line)]
    text = _ROLE.sub(r"\1", _DIRECTIVE.sub("", "\n".join(lines))).replace("``", "`")
    return inspect.cleandoc(re.sub(r"\n{3,}", "\n\n", text)).strip()


def _is_overload(node: _Definition) -> bool:
    return any(ast.unparse(each).endswith(("overload", ".setter")) for each in node.decorator_list)


def _parameters(node: _Definition) -> list[str]:
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = [node] if not isinstance(node, ast.ClassDef) else []
    if isinstance(node, ast.ClassDef):
        functions = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    names = [each.arg for function in functions for each in (*function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls") and len(name) > 1]


def _explained(text: str) -> set[str]:
    """Names that begin a line as parameters do, in numpy's, Google's and Sphinx's styles."""
    return set(_PARAMETER.findall(text))
