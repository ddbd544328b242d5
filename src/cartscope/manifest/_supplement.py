"""The paper's supplementary tables and the panels that are not drawn: ``supplement.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Literal

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml


class SupplementTable(Model):
    """One supplementary table: what the text says of it, and where its counterpart comes from."""

    id: str = Field(pattern=r"^S\d+$")
    says: str
    source: Literal["samples", "qc", "de", "gsea"] | None = Field(default=None, alias="from")
    gene_sets: bool = False
    missing: str = ""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    count_by: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _one_origin(self) -> SupplementTable:
        if sum((self.source is not None, self.gene_sets, bool(self.missing))) != 1:
            msg = f"table {self.id!r} needs one of from, gene_sets and missing"
            raise ValueError(msg)
        return self


class LeftOut(Model):
    """Panels that are not drawn, and why."""

    panels: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=3)


class Supplement(Model):
    """The whole of ``supplement.toml``."""

    table: tuple[SupplementTable, ...]
    left_out: tuple[LeftOut, ...] = ()


def read_supplement(path: Path | str) -> Supplement:
    """Read ``supplement.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Supplementary tables and left-out panels, in file order.

    Raises
    ------
    ManifestError
        If a key is unknown, a value impossible or a table has no origin, or two.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_supplement
    >>> [t.id for t in read_supplement(manifest_dir() / "supplement.toml").table if t.missing]
    ['S1', 'S6']
    """
    return load_toml(path, Supplement)
