"""Markers, gates and controls that name a cell: ``annotation.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Any

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml


class CellType(Model):
    """Markers of one cell type."""

    positive: tuple[str, ...] = Field(min_length=1)
    negative: tuple[str, ...] = ()
    level: float = Field(gt=0)
    only_in: dict[str, tuple[str, ...]] = Field(default={})


class Threshold(Model):
    """A published rule on cluster means."""

    cell_type: str
    gene: str
    above: float
    note: str = ""


class Assign(Model):
    """When a type is assigned."""

    minimum: float = Field(ge=0)
    margin: float = Field(ge=0)


class TSubset(Model):
    """Which genes tell a lineage or a T-cell subset."""

    up: tuple[str, ...] = Field(min_length=1)
    down: tuple[str, ...] = ()
    lineage: str = ""


class Gates(Model):
    """Published T-cell gates."""

    n_neighbors: int = Field(gt=0)
    n_comps: int = Field(gt=0)
    min_cells: int = Field(gt=0)
    cd3d: float
    cd4: float
    cd8a: float
    ccr7: float
    ra: float
    foxp3: float
    nkg7: float
    ra_genes: tuple[str, ...]
    ro_genes: tuple[str, ...]


class CarControls(Model):
    """Cell types that cannot carry the CAR."""

    controls: tuple[str, ...] = Field(min_length=1)


class Annotation(Model):
    """The whole of ``annotation.toml``."""

    assign: Assign
    cell_type: dict[str, CellType] = Field(min_length=1)
    published: tuple[Threshold, ...]
    t_subset: dict[str, TSubset] = Field(min_length=1)
    gates: Gates
    car: CarControls
    ambient: dict[str, tuple[str, ...]] = Field(min_length=2)
    aliases: dict[str, str] = Field(default={})

    def markers(self, rule: str = "recommended") -> dict[str, Any] | list[dict[str, Any]]:
        """Return what ``tl.annotate`` takes as ``markers``.

        Parameters
        ----------
        rule
            "recommended" or "published".
        """
        if rule == "published":
            return [entry.model_dump(exclude={"note"}) for entry in self.published]
        return {name: entry.model_dump() for name, entry in self.cell_type.items()}

    def t_markers(self) -> dict[str, dict[str, Any]]:
        """Return what ``tl.t_subsets`` takes as ``markers``."""
        return {name: entry.model_dump() for name, entry in self.t_subset.items()}

    @model_validator(mode="after")
    def _types_of_ambient_exist(self) -> Annotation:
        for name, genes in self.ambient.items():
            if name not in self.cell_type:
                msg = (
                    f"ambient: {name!r} is no entry of cell_type, which has {list(self.cell_type)}"
                )
                raise ValueError(msg)
            if not genes:
                msg = f"ambient: {name!r} has no gene"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _lineages_exist(self) -> Annotation:
        for name, entry in self.t_subset.items():
            if entry.lineage and entry.lineage not in self.t_subset:
                msg = f"t_subset {name!r}: lineage {entry.lineage!r} is no entry of t_subset"
                raise ValueError(msg)
        return self


def read_annotation(path: Path | str) -> Annotation:
    """Read ``annotation.toml``.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    The validated, frozen manifest.

    Raises
    ------
    ManifestError
        If a key is unknown or a value impossible.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_annotation
    >>> "CD14 monocyte" in read_annotation(manifest_dir() / "annotation.toml").cell_type
    True
    """
    return load_toml(path, Annotation)
