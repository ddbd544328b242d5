"""The cells in memory, built from a base file and one small file per annotating step."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cartscope import _keys as k
from cartscope import io, pp
from cartscope._errors import MissingKeyError
from cartscope.study._files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData

_FRAMES = ("obs", "var")
_MAPPINGS = ("obsm", "varm", "obsp")


class CellStore:
    """Holds one AnnData for a whole run and keeps what each step adds in a file of its own.

    A step's additions are read back from that file at once, so that a run that goes on after
    being killed has the same cells, to the byte, as one that never stopped.
    """

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder = folder
        self.base = base
        self._adata: AnnData | None = None
        self._applied: list[str] = []

    def file(self, step: str) -> Path:
        """Return where the additions of a step lie.

        Parameters
        ----------
        step
            Name of the step.
        """
        return self.folder / f"{step}.h5ad"

    def forget(self) -> None:
        """Drop the cells from memory; the next :meth:`load` reads them again."""
        self._adata, self._applied = None, []

    def load(self, steps: Sequence[str], *, exactly: bool = False) -> AnnData:
        """Return the cells with the additions of ``steps``, reading only what is not there yet.

        Parameters
        ----------
        steps
            Annotating steps in the order of the road.
        exactly
            Whether additions of further steps, or in another order, may not be there.
        """
        in_order = list(steps[: len(self._applied)]) == self._applied
        if self._adata is None or (exactly and not in_order):
            self.forget()
            self._adata = io.read_cells(self.base)
            pp.normalize(self._adata)
        for step in steps:
            if step not in self._applied:
                _apply(self._adata, self.file(step))
                self._applied.append(step)
        return self._adata

    @contextmanager
    def annotating(self, step: str, after: Sequence[str]) -> Iterator[AnnData]:
        """Give the cells to a step that annotates them, and keep what it added.

        Parameters
        ----------
        step
            Name of the step.
        after
            Annotating steps before it.
        """
        adata = self.load(after)
        had = _slots(adata)
        done = False
        try:
            yield adata
            _write_additions(adata, had, path=self.file(step))
            done = True
        finally:
            # additions are read back from the file, so none may stay behind
            _drop_additions(adata, had)
            if not done:
                self.forget()
        self.load([*after, step])


def _slots(adata: AnnData) -> dict[str, set[str]]:
    slots = {name: set(getattr(adata, name).columns) for name in _FRAMES}
    slots |= {name: set(getattr(adata, name).keys()) for name in _MAPPINGS}
    slots["uns"] = set(adata.uns) - {k.uns.cartscope}
    slots["cartscope"] = set(adata.uns.get(k.uns.cartscope, {}))
    return slots


def _write_additions(adata: AnnData, had: dict[str, set[str]], *, path: Path) -> None:
    import anndata

    parts: dict[str, Any] = {}
    for name in _FRAMES:
        frame = getattr(adata, name)
        parts[name] = frame[[c for c in frame.columns if c not in had[name]]]
    for name in _MAPPINGS:
        mapping = getattr(adata, name)
        parts[name] = {key: mapping[key] for key in mapping if key not in had[name]}
    ours = adata.uns.get(k.uns.cartscope, {})
    parts["uns"] = {key: adata.uns[key] for key in adata.uns if key not in had["uns"]}
    parts["uns"].pop(k.uns.cartscope, None)
    parts["uns"][k.uns.cartscope] = {key: ours[key] for key in ours if key not in had["cartscope"]}
    with replacing(path) as temporary:
        anndata.AnnData(**parts).write_h5ad(temporary)


def _drop_additions(adata: AnnData, had: dict[str, set[str]]) -> None:
    for name in _FRAMES:
        frame = getattr(adata, name)
        for column in [c for c in frame.columns if c not in had[name]]:
            del frame[column]
    for name in _MAPPINGS:
        mapping = getattr(adata, name)
        for key in [key for key in mapping if key not in had[name]]:
            del mapping[key]
    ours = adata.uns.get(k.uns.cartscope, {})
    for key in [key for key in ours if key not in had["cartscope"]]:
        del ours[key]
    for key in [key for key in adata.uns if key not in had["uns"] and key != k.uns.cartscope]:
        del adata.uns[key]


def _apply(adata: AnnData, path: Path) -> None:
    import anndata

    if not path.is_file():
        msg = f"{path} is missing; run the step {path.stem!r} first."
        raise MissingKeyError(msg)
    added = anndata.read_h5ad(path)
    for name in _FRAMES:
        frame, new = getattr(adata, name), getattr(added, name)
        for column in new.columns:
            frame[column] = new[column].array
    for name in _MAPPINGS:
        mapping, new = getattr(adata, name), getattr(added, name)
        for key in new:
            mapping[key] = new[key]
    ours = adata.uns.setdefault(k.uns.cartscope, {})
    ours.update(added.uns.pop(k.uns.cartscope, {}))
    adata.uns.update(added.uns)
