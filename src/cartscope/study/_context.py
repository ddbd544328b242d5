"""Where things are, what the user chose and what the manifests say."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cartscope import io
from cartscope._schema import SCHEMAS
from cartscope.study import _files
from cartscope.study._cells import CellStore
from cartscope.study._manifests import Manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from cartscope.manifest import Preset
    from cartscope.study._settings import Settings

CELLS = "work/cells"
BASE = "work/filtered.h5ad"


class Context:
    """Handed to every step, figure and judge; holds no results but the cells in memory.

    Parameters
    ----------
    settings
        What the user chose.
    annotating_before
        Name of a step -> the steps before it that annotate cells, in order.
    """

    def __init__(
        self, settings: Settings, *, annotating_before: Callable[[str], list[str]]
    ) -> None:
        self.settings = settings
        self.annotating_before = annotating_before
        self.manifests = Manifests(settings.manifests)
        self.digests: dict[str, dict[str, Any]] = {}
        self._store = CellStore(self.path(CELLS), self.path(BASE))
        self._remembered: dict[str, pd.DataFrame] | None = None

    @cached_property
    def preset(self) -> Preset:
        """The chosen preset."""
        return self.manifests.preset(self.settings.preset)

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.settings.seed

    @property
    def jobs(self) -> int:
        """Threads or processes a step may use."""
        return self.settings.jobs

    def sha256(self, path: Path) -> str:
        """Return a file's digest, computed again only if its size or time has changed.

        Parameters
        ----------
        path
            File or folder.
        """
        key, now = str(path), _files.stamp(path)
        known = self.digests.get(key)
        if known is None or known["stamp"] != now:
            known = {"stamp": now, "sha256": _files.digest(path)}
            self.digests[key] = known
        return known["sha256"]

    def path(self, artifact: str) -> Path:
        """Return where an artifact lies.

        Parameters
        ----------
        artifact
            Path relative to ``--out``.
        """
        return self.settings.out / artifact

    def writing(self, artifact: str) -> AbstractContextManager[Path]:
        """Give a temporary path that becomes the artifact when the block ends well.

        Parameters
        ----------
        artifact
            Path relative to ``--out``.
        """
        return _files.replacing(self.path(artifact))

    def read_table(self, artifact: str) -> pd.DataFrame:
        """Return a result table, checked against its schema.

        Parameters
        ----------
        artifact
            Path relative to ``--out``, for instance ``"tables/de.csv"``.
        """
        known = self._remembered
        if known is not None and artifact in known:
            return known[artifact].copy()
        path = self.path(artifact)
        table = io.read_table(path, SCHEMAS.get(path.stem))
        if known is not None:
            known[artifact] = table.copy()
        return table

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Read each table once while the block runs; for steps that ask for few, often."""
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    def write_table(self, artifact: str, table: pd.DataFrame) -> None:
        """Write a result table, checked against its schema.

        Parameters
        ----------
        artifact
            Path relative to ``--out``.
        table
            The table.
        """
        path = self.path(artifact)
        schema = SCHEMAS.get(path.stem)
        with self.writing(artifact) as temporary:
            io.write_table(table if schema is None else schema.check(table), temporary)

    def cells(self, step: str, *, exactly: bool = False) -> AnnData:
        """Return the cells as the steps before ``step`` left them; read, don't write.

        Parameters
        ----------
        step
            Name of the step that asks.
        exactly
            Whether additions of steps that ``step`` does not need may not be there.
        """
        return self._store.load(self.annotating_before(step), exactly=exactly)

    @contextmanager
    def annotating(self, step: str) -> Iterator[AnnData]:
        """Give the cells to a step that annotates them, and keep what it added.

        Parameters
        ----------
        step
            Name of the step.
        """
        with self._store.annotating(step, self.annotating_before(step)) as adata:
            yield adata

    def forget_cells(self) -> None:
        """Free the memory of the cells."""
        self._store.forget()


def cell_artifact(step: str) -> str:
    """Return the artifact that holds what an annotating step added to the cells.

    Parameters
    ----------
    step
        Name of the step.
    """
    return f"{CELLS}/{step}.h5ad"
