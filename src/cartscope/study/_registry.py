"""Collect the constants that the modules beside this one define; adding a file is enough."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from cartscope._errors import ManifestError
from cartscope.study._context import cell_artifact
from cartscope.study._figures import figure_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.study._model import EvidenceReader, FigureSpec, Judge, Step


def _collect(package_name: str, constant: str, key: str) -> dict[str, Any]:
    package = import_module(f"cartscope.study.{package_name}")
    found: dict[str, Any] = {}
    for info in sorted(iter_modules(package.__path__), key=lambda m: m.name):
        if info.name.startswith("_"):
            continue
        module = import_module(f"{package.__name__}.{info.name}")
        if not hasattr(module, constant):
            msg = f"{module.__name__} defines no {constant}; add one, or start its name with _"
            raise ManifestError(msg)
        item = getattr(module, constant)
        if hasattr(item, "module"):
            item = replace(item, module=module.__name__)
        name = getattr(item, key)
        if name in found:
            msg = f"two modules of {package.__name__} define {constant} {name!r}; rename one"
            raise ManifestError(msg)
        found[name] = item
    return found


@cache
def all_steps() -> dict[str, Step]:
    """Return every step by name, each after the steps whose artifacts it needs."""
    steps: dict[str, Step] = _collect("steps", "STEP", "name")
    steps |= {s.name: s for s in map(figure_step, all_figures().values())}
    maker = {artifact: s.name for s in steps.values() for artifact in s.makes}
    graph: dict[str, list[str]] = {}
    for step in steps.values():
        missing = [n for n in step.needs if n not in maker]
        if missing:
            msg = f"step {step.name!r} needs {missing}, which no step makes"
            raise ManifestError(msg)
        graph[step.name] = sorted({maker[n] for n in step.needs})
    try:
        order = list(TopologicalSorter(dict(sorted(graph.items()))).static_order())
    except CycleError as error:
        msg = f"steps need each other in a circle: {error.args[1]}"
        raise ManifestError(msg) from error
    return {name: steps[name] for name in order}


def with_needs(names: Iterable[str]) -> set[str]:
    """Return the named steps and all that they need, directly or not.

    Parameters
    ----------
    names
        Names of steps.
    """
    steps = all_steps()
    maker = {artifact: s.name for s in steps.values() for artifact in s.makes}
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += [maker[need] for need in steps[name].needs]
    return wanted


def annotating_before(step: str) -> list[str]:
    """Return the steps that annotate cells and that a step needs, directly or not, in order.

    Parameters
    ----------
    step
        Name of the step.
    """
    wanted = with_needs([step]) - {step}
    return [n for n, s in all_steps().items() if n in wanted and cell_artifact(n) in s.makes]


@cache
def all_figures() -> dict[str, FigureSpec]:
    """Return every figure by id: the paper's panels in its order, then those of your own."""
    figures: dict[str, FigureSpec] = _collect("figures", "FIGURE", "id")
    return dict(sorted(figures.items(), key=lambda item: _panel_order(item[0])))


@cache
def all_evidence() -> dict[str, EvidenceReader]:
    """Return every reader of evidence by the name of its table."""
    return _collect("evidence", "EVIDENCE", "table")


@cache
def all_judges() -> dict[str, Judge]:
    """Return every judge by the kind of claim."""
    return _collect("judges", "JUDGE", "kind")


def _panel_order(panel: str) -> tuple[int, int, str]:
    published = re.fullmatch(r"(S?)(\d+)\D*", panel)
    if published is None:
        return (2, 0, panel)
    return (1 if published[1] else 0, int(published[2]), panel)
