"""A run beside a run: steps read what is there and leave their tables in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope._errors import InputError
from cartscope._schema import SCHEMAS
from cartscope.study._context import Context
from cartscope.study._manifests import Manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from cartscope.manifest import Contrast, Contrasts, Preset
    from cartscope.study._model import Step


class InMemory(Context):
    """Reads a run's artifacts, but keeps what steps write to itself.

    Parameters
    ----------
    base
        The run whose artifacts and cells are read; it is left as it was.
    tables
        Artifact -> table read in place of the run's own.
    contrasts
        The contrasts there are, by id or changed ones; all of the manifest's if None.
    preset
        Section -> key -> value, in place of the preset's.
    cells
        What steps read in place of the run's cells.
    """

    def __init__(
        self,
        base: Context,
        *,
        tables: Mapping[str, pd.DataFrame] | None = None,
        contrasts: Iterable[str | Contrast] | None = None,
        preset: Mapping[str, Mapping[str, object]] | None = None,
        cells: AnnData | None = None,
    ) -> None:
        super().__init__(base.settings, annotating_before=base.annotating_before)
        self.manifests = _Changed(
            base.manifests, None if contrasts is None else tuple(contrasts), preset or {}
        )
        self._base = base
        self._cells = cells
        self.tables = dict(tables or {})

    def run(self, steps: Iterable[Step]) -> dict[str, pd.DataFrame]:
        """Run steps, in this order; return every table given or written so far, by artifact.

        Parameters
        ----------
        steps
            Each after those whose tables it reads anew.
        """
        for step in steps:
            step.run(self)
        return dict(self.tables)

    def read_table(self, artifact: str) -> pd.DataFrame:
        """Return a table written here, given in its place, or the run's.

        Parameters
        ----------
        artifact
            Path relative to ``--out``.
        """
        if artifact in self.tables:
            return self.tables[artifact].copy()
        return self._base.read_table(artifact)

    def write_table(self, artifact: str, table: pd.DataFrame) -> None:
        """Keep a table, checked against its schema.

        Parameters
        ----------
        artifact
            Path relative to ``--out``.
        table
            The table.
        """
        schema = SCHEMAS.get(self.path(artifact).stem)
        self.tables[artifact] = table if schema is None else schema.check(table)

    def writing(self, artifact: str) -> AbstractContextManager[Path]:
        """Refuse to write a file."""
        msg = f"{artifact}: only steps that write nothing but tables can be run in memory."
        raise InputError(msg)

    def annotating(self, step: str) -> AbstractContextManager[AnnData]:
        """Refuse to annotate the cells."""
        msg = f"{step}: only steps that write nothing but tables can be run in memory."
        raise InputError(msg)

    def cells(self, step: str, *, exactly: bool = False) -> AnnData:
        """Return the cells given, or the run's.

        Parameters
        ----------
        step
            Name of the step that asks.
        exactly
            Whether additions of steps that ``step`` does not need may not be there.
        """
        return self._base.cells(step, exactly=exactly) if self._cells is None else self._cells


class _Changed(Manifests):
    """Manifests of a run with fewer contrasts, or another value in the preset."""

    def __init__(
        self,
        base: Manifests,
        contrasts: tuple[str | Contrast, ...] | None,
        preset: Mapping[str, Mapping[str, object]],
    ) -> None:
        super().__init__(base.folder)
        # a frozen class caches what it has read here
        self.__dict__["contrasts"] = _only(base.contrasts, contrasts)
        self.__dict__["_preset"] = preset

    def preset(self, name: str) -> Preset:
        """Return a preset by name.

        Parameters
        ----------
        name
            ``"published"`` or ``"recommended"``.
        """
        found = super().preset(name)
        sections = {}
        for section, values in self.__dict__["_preset"].items():
            there = getattr(found, section)
            changed = {
                key: getattr(there, key).model_copy(update={"value": value})
                for key, value in values.items()
            }
            sections[section] = there.model_copy(update=changed)
        return found.model_copy(update=sections)


def _only(contrasts: Contrasts, wanted: tuple[str | Contrast, ...] | None) -> Contrasts:
    if wanted is None:
        return contrasts
    known = {c.id: c for c in contrasts.contrast}
    if unknown := [c for c in wanted if isinstance(c, str) and c not in known]:
        msg = f"no such contrasts: {unknown}; contrasts.toml has {list(known)}."
        raise InputError(msg)
    chosen = tuple(known[c] if isinstance(c, str) else c for c in wanted)
    return contrasts.model_copy(update={"contrast": chosen})
