"""The published claims as quantities that software can recompute: ``claims.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Any, Literal

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml

Kind = Literal["count", "estimate", "test", "rank", "null"]
Direction = Literal["up", "down", "none"]


class Evidence(Model):
    """Where in the result tables a claim's numbers stand."""

    table: str
    contrasts: tuple[str, ...] = ()
    # what the claim calls a feature -> how the table calls it
    features: dict[str, str] = Field(default={})
    populations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    direction: Direction | None = None
    # cells, populations or time points that the table is narrowed to
    where: dict[str, tuple[str, ...]] = Field(default={})
    # count: how far off a published number still agrees; estimate: what agrees, in the table's unit
    tolerance: float | None = Field(default=None, ge=0)
    range: tuple[float, float] | None = None
    # expression: the obs column whose values are ranked
    by: str = ""
    # null: the effect that the interval has to exclude, and where it comes from
    excludes: float | None = Field(default=None, gt=0)
    excludes_source: str = ""

    @model_validator(mode="after")
    def _excludes_has_a_source(self) -> Evidence:
        if self.excludes is not None and not self.excludes_source:
            msg = "excludes needs excludes_source: say where the effect comes from"
            raise ValueError(msg)
        return self


class Reading(Model):
    """One of the things that the paper says where it contradicts itself."""

    where: str
    says: str
    # what the reading asks in place of the claim's own; neither: no table here can tell them apart
    direction: Direction | None = None
    contrasts: tuple[str, ...] = ()


class Claim(Model):
    """One claim of the paper."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    panel: str
    kind: Kind
    statement: str
    quantity: str
    data: Literal["geo", "geo+grades", "geo+response", "clinical"]
    features: tuple[str, ...] = ()
    published: dict[str, Any] = Field(default={})
    direction: str = ""
    contrast: tuple[str, ...] = ()
    population: str = ""
    alpha: float = Field(default=0.1, gt=0, lt=1)
    caveat: str = ""
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    readings: tuple[Reading, ...] = ()

    @model_validator(mode="after")
    def _one_reading_is_none(self) -> Claim:
        if len(self.readings) == 1:
            msg = "readings holds one reading; a contradiction needs two, else write a note"
            raise ValueError(msg)
        return self


class Claims(Model):
    """The whole of ``claims.toml``."""

    claim: tuple[Claim, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Claims:
        ids = [c.id for c in self.claim]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            msg = f"claims stand twice: {twice}; rename one of each"
            raise ValueError(msg)
        return self


def read_claims(path: Path | str) -> tuple[Claim, ...]:
    """Read ``claims.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The claims in file order.

    Raises
    ------
    ManifestError
        If a key is unknown or a value impossible.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_claims
    >>> read_claims(manifest_dir() / "claims.toml")[0].id
    'cells-new-cohort'
    """
    return load_toml(path, Claims).claim
