"""Which steps are up to date: decided by content, never by the clock."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cartscope
from cartscope.study._files import replacing

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study._model import Step

STATE = "work/state.json"
# rooms whose code can change the result of any step; a step's own module is added to them
_METHODS = ("geo", "io", "manifest", "pp", "simulate", "stats", "tl")


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
    package = Path(cartscope.__file__).parent
    files = [p for p in package.glob("_*.py") if p.name != "__init__.py"]
    for room in _METHODS:
        files += (package / room).rglob("*")
    files += list((package / "study").glob("_*.py"))
    if ".figures." in module:
        files += list((package / "pl").rglob("*.py"))
    if module.endswith((".claims", ".influence", ".permutations", ".report")):
        for folder in ("evidence", "judges", "report"):
            files += (package / "study" / folder).rglob("*")
    parts = module.split(".")[1:]
    if parts:
        files.append(package.joinpath(*parts).with_suffix(".py"))
    total = hashlib.sha256(cartscope.__version__.encode())
    # compilers keep their caches beside the code, and a run fills them
    for file in sorted(f for f in files if f.is_file() and "__pycache__" not in f.parts):
        total.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
