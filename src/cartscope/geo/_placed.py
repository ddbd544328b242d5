"""One matrix of a series, what it was read as, and which of several of a sample counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.geo._members import Unit

USED: Final = "used"
NOT_USED: Final = "not used"
NOT_PLACED: Final = "not placed"
# what belongs to the patient, whichever sample it is read from
PATIENT_COLUMNS: Final = ("anakinra", "crs_grade", "nt_grade", "sex", "response")


@dataclass
class Placed:
    """One unit and what it was read as; ``row`` holds columns of the sample table."""

    unit: Unit
    path: str
    study: str
    title: str = ""
    status: str = NOT_PLACED
    reason: str = ""
    row: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def of_whole_series(self) -> bool:
        """Whether the file is named for the series and no sample."""
        return not self.unit.gsm and any(m.startswith(self.study) for m in self.unit.members)


def row_for(placed: Placed) -> str:
    """Return what a user writes to place a unit.

    Parameters
    ----------
    placed
        The unit.
    """
    unit = placed.unit
    if placed.of_whole_series:
        return (
            "its name is the series', so it may hold several samples: split it by sample and give "
            "each part a row in samples.csv (sample_id, path, patient, timepoint, sorted)"
        )
    return (
        f"add to samples.csv a row with sample_id {placed.row['sample_id']}, "
        f"path {unit.select or unit.members[0]}, patient, timepoint and sorted"
    )


def settle_doubles(placed: list[Placed]) -> None:
    """Decide between several matrices of one sample, where that can be decided, in place.

    The archive counts before a file of its own; of one library in several forms the first of
    triplet or folder, .h5, .h5ad and table counts. Matrices of different names stay open.

    Parameters
    ----------
    placed
        Units of one series.
    """
    for gsm, units in _by_gsm(p for p in placed if p.status == USED).items():
        best = min(units, key=_rank)
        stems = {p.unit.stem.lower() for p in units}
        for p in units:
            if len(stems) > 1:
                names = sorted(q.unit.select for q in units)
                p.status = NOT_PLACED
                p.reason = (
                    f"{gsm} has {len(units)} matrices, {names}: {row_for(p)} for the right one, "
                    f"or leave one out with a [[not_used]] by file in {p.study}.toml"
                )
            elif p is not best:
                p.status = NOT_USED
                p.reason = f"this sample is read from {best.unit.select}"
    used = {p.unit.gsm for p in placed if p.status == USED}
    for p in placed:
        # what stands beside samples that are read need not stop the run; it is listed
        extra = p.unit.unknown or p.of_whole_series
        if p.status == NOT_PLACED and extra and (p.unit.gsm in used if p.unit.gsm else used):
            p.status = NOT_USED


def _by_gsm(placed: Iterable[Placed]) -> dict[str, list[Placed]]:
    groups: dict[str, list[Placed]] = {}
    for p in placed:
        if p.unit.gsm:
            groups.setdefault(p.unit.gsm, []).append(p)
    return {gsm: units for gsm, units in groups.items() if len(units) > 1}


def _rank(p: Placed) -> tuple[bool, int, str]:
    name = p.unit.members[0].lower()
    forms = [len(p.unit.members) > 1 or ".tar" in name or name.endswith(".tgz")]
    forms += [name.endswith((".h5", ".hdf5")), ".h5ad" in name, True]
    return "::" not in p.path, forms.index(True), p.unit.select
