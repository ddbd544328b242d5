"""Which steps are up to date: decided by content, never by the clock."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cartscope
from cartscope.study._files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.study._context import Context
    from cartscope.study._model import Step

STATE = "work/state.json"
# rooms whose code can change the result of any step; a step's own module and
# what it imports of the study are added to them
_METHODS = ("geo", "io", "manifest", "pp", "simulate", "stats", "tl")
_STUDY = "cartscope.study"
# rooms that a step about claims looks through by itself instead of importing what is in them
_FOUND = ("evidence", "figures", "judges", "report")


class State:
    """What ran with which inputs, kept in ``work/state.json``.

    Parameters
    ----------
    ctx
        The run.
    """

    def __init__(self, ctx: Context) -> None:
        self._path = ctx.path(STATE)
        self._ctx = ctx
        self._steps: dict[str, dict[str, Any]] = {}
        if self._path.is_file() and not ctx.settings.fresh:
            saved = json.loads(self._path.read_text("utf-8"))
            ctx.digests.update(saved["files"])
            self._steps = saved["steps"]

    def fingerprint(self, step: Step) -> dict[str, Any]:
        """Return everything that decides a step's result, as JSON.

        Parameters
        ----------
        step
            The step.
        """
        ctx = self._ctx
        manifests = ctx.manifests.bytes_of(step.manifests)
        return json.loads(
            json.dumps(
                {
                    "needs": {n: ctx.sha256(ctx.path(n)) for n in step.needs},
                    "params": {p: ctx.preset.values(p) for p in step.params},
                    "manifests": {n: hashlib.sha256(b).hexdigest() for n, b in manifests.items()},
                    "settings": {s: str(getattr(ctx.settings, s)) for s in step.settings},
                    "seed": ctx.seed if step.seeded else None,
                    "inputs": dict(step.inputs(ctx)) if step.inputs else {},
                    "code": _code_digest(step.module),
                }
            )
        )

    def up_to_date(self, step: Step, fingerprint: dict[str, Any]) -> bool:
        """Return whether a step's artifacts are there and made from the same inputs.

        Parameters
        ----------
        step
            The step.
        fingerprint
            Of the step, now.
        """
        known = self._steps.get(step.name)
        if known is None or known["fingerprint"] != fingerprint:
            return False
        paths = {a: self._ctx.path(a) for a in step.makes}
        also = [self._ctx.path(a) for a in step.also(self._ctx)] if step.also else []
        return all(p.exists() for p in (*paths.values(), *also)) and all(
            self._ctx.sha256(p) == known["makes"].get(a) for a, p in paths.items()
        )

    def record(self, step: Step, fingerprint: dict[str, Any]) -> None:
        """Remember a finished step.

        Parameters
        ----------
        step
            The step.
        fingerprint
            Of the step, when it started.
        """
        makes = {a: self._ctx.sha256(self._ctx.path(a)) for a in step.makes}
        self._steps[step.name] = {"fingerprint": fingerprint, "makes": makes}
        with replacing(self._path) as temporary:
            text = json.dumps({"files": self._ctx.digests, "steps": self._steps}, indent=1)
            temporary.write_text(text, "utf-8")


@cache
def _code_digest(module: str) -> str:
    total = hashlib.sha256(cartscope.__version__.encode())
    package = Path(cartscope.__file__).parent
    for file in code_files(module):
        total.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def code_files(module: str) -> list[Path]:
    """Return the files whose code can change the result of a step.

    Parameters
    ----------
    module
        Of the step.
    """
    package = Path(cartscope.__file__).parent
    study = package / "study"
    files = {p for p in package.glob("_*.py") if p.name != "__init__.py"}
    for room in _METHODS:
        files.update((package / room).rglob("*"))
    files.update(study.glob("_*.py"))
    own: set[Path] = set()
    if parts := module.split(".")[1:]:
        own.add(package.joinpath(*parts).with_suffix(".py"))
    if ".figures." in module:
        files.update((package / "pl").rglob("*.py"))
    if module.endswith((".claims", ".influence", ".permutations", ".report")):
        for room in _FOUND:
            own.update((study / room).glob("*.py"))
    files |= _reached(own, package)
    # compilers keep their caches beside the code, and a run fills them
    return sorted(f for f in files if f.is_file() and "__pycache__" not in f.parts)


def _reached(files: Iterable[Path], package: Path) -> set[Path]:
    """Return files of the package with those of the study that they import, and so on."""
    found: set[Path] = set()
    left = [f for f in files if f.is_file()]
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += _imported(file, package)
    return found


@cache
def _imported(file: Path, package: Path) -> tuple[Path, ...]:
    tree = ast.parse(file.read_text("utf-8"))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    names = [(i.module, f"{i.module}.{a.name}") for i in imports for a in i.names]
    study = {n for pair in names for n in pair if n.startswith(_STUDY)}
    paths = (package.joinpath(*n.split(".")[1:]).with_suffix(".py") for n in study)
    return tuple(p for p in paths if p.is_file())
