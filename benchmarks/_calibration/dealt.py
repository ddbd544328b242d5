"""Shares of cells in null cohorts, by the tests of the steps but without a table of cells.

A test holds these p-values against those of the steps on the same cells.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from _calibration.draws import called_cells
from cartscope import _keys as k
from cartscope.simulate._design import libraries
from cartscope.simulate._sizes import library_sizes
from cartscope.stats._stratified_null import stratified_null
from cartscope.study.comparisons._groups import GROUP, REFERENCE, Split, split
from cartscope.study.comparisons._strata import strata_of
from cartscope.tl._composition_tests import COMPOSITION_TESTS
from cartscope.tl._innate_fractions import innate_share
from cartscope.tl._patient_test import adjust, rank_columns

if TYPE_CHECKING:
    from cartscope.manifest import Contrast
    from cartscope.study._context import Context

ALPHAS = (0.05, 0.01)
Tables = dict[str, pd.DataFrame]
OTHER_TESTS = ("composition_crs_no_anakinra", "composition_crs_anakinra")
CELLS_OF = {"t_subset": k.obs.t_subset, "t_lineage": k.obs.t_lineage, "cell_type": k.obs.cell_type}


class Patients:
    """Numbers of cells per patient: kind -> patient -> part -> number, and innate shares."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self.whole: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.innate: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)

    def count(self, kind: str, patient: str, values: np.ndarray) -> None:
        """Add a library's cells to a kind of parts."""
        there = self.parts[kind][patient]
        for name, number in zip(*np.unique(values.astype(str), return_counts=True), strict=True):
            there[name] = there.get(name, 0) + int(number)
        self.whole[kind][patient] += len(values)


def draw(seed: int, *, cells: int, detection: float) -> Patients:
    """Deal a null cohort's cells and count them."""
    sizes = library_sizes(cells, random_state=seed, failed_library=False)
    out = Patients()
    for lib in libraries():
        if lib.timepoint == k.timepoints.baseline:
            continue
        c = called_cells(lib, sizes[lib.sample_id], seed=seed, detection=detection)
        name = lib.patient.name
        if lib.product:
            out.count("cell_type", name, c.cell_type)
            continue
        t = c.cell_type == "T"
        positive = t & c.found
        out.count("cycling positive", name, c.cycling[positive])
        if lib.sorted:
            continue
        negative = t & ~c.found
        out.count("t_subset", name, c.t_subset[negative])
        out.count("t_lineage", name, c.t_lineage[negative])
        out.count("cycling negative", name, c.cycling[negative])
        for kind, column in (
            ("t_subset", c.t_subset),
            ("t_lineage", c.t_lineage),
            ("cycling negative", c.cycling),
        ):
            found, chance = c.found[t].astype(float), c.chance[t]
            error, of = np.zeros(len(found)), column[t].astype(str)
            out.innate[kind][name] = {
                part: innate_share(found, chance, error, part=(of == part).astype(float)).value
                for part in np.unique(of)
            }
    return out


def tables(drawn: Patients, base: Context, *, samples: pd.DataFrame) -> Tables:
    """Return what the steps composition, cycling and corrected write, and two other tests."""
    found: dict[str, list[pd.DataFrame]] = defaultdict(list)
    contrasts = base.manifests.contrasts
    min_cells = base.preset.values("composition")["min_cells"]
    for contrast in contrasts.contrast:
        s = split(contrast, contrasts, samples)
        within = strata_of(base, s, samples)
        strata = None if within is None else within.of
        if "composition" in contrast.analyses:
            for kind in contrast.parts:
                who = _patients(drawn, s, kind, (min_cells, strata))
                _compositions(found, drawn, s, kind=kind, who=who)
        if "cycling" in contrast.analyses:
            _cycling(found, drawn, s, limits=(min_cells, strata))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}


@dataclass(frozen=True)
class _Who:
    names: list[str]
    in_group: np.ndarray
    strata: np.ndarray | None

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.in_group, self.strata


def _patients(
    drawn: Patients, s: Split, kind: str, limits: tuple[int, dict[str, str] | None]
) -> _Who:
    min_cells, strata = limits
    names = sorted((p, side) for side in (GROUP, REFERENCE) for p in s.members(side))
    kept = [(p, side) for p, side in names if drawn.whole[kind].get(p, 0) >= min_cells]
    return _Who(
        [p for p, _ in kept],
        np.array([side == GROUP for _, side in kept]),
        None if strata is None else np.array([strata[p] for p, _ in kept]),
    )


def _compositions(
    found: dict[str, list[pd.DataFrame]], drawn: Patients, s: Split, *, kind: str, who: _Who
) -> None:
    every = (*s.members(GROUP), *s.members(REFERENCE))
    parts = sorted({part for p in every for part in drawn.parts[kind].get(p, {})} - {k.UNASSIGNED})
    counts = np.array([[drawn.parts[kind][p].get(x, 0) for x in parts] for p in who.names], float)
    whole = np.array([drawn.whole[kind][p] for p in who.names], float)
    there = counts.sum(axis=0) > 0
    tests = {"tables/composition.csv": "mann_whitney"}
    if s.contrast.id in OTHER_TESTS:
        tests |= {"clr.csv": "clr", "propeller.csv": "propeller"}
    for artifact, test in tests.items():
        rows = COMPOSITION_TESTS[test].function(counts[:, there], whole, who.sides)
        rows["population"] = np.array(parts)[there]
        if test == "mann_whitney":
            _add_levels(rows, counts[:, there] / whole[:, None], who)
        found[artifact].append(adjust(rows).assign(contrast=s.contrast.id))
    if kind in drawn.innate:
        shares = _innate(drawn, who.names, kind, parts)
        found["tables/corrected.csv"].append(
            _ranked(shares, who, parts, contrast=s.contrast).assign(analysis="composition")
        )


def _cycling(
    found: dict[str, list[pd.DataFrame]],
    drawn: Patients,
    s: Split,
    *,
    limits: tuple[int, dict[str, str] | None],
) -> None:
    sign = "positive" if "pos" in str(s.contrast.population) else "negative"
    kind = f"cycling {sign}"
    who = _patients(drawn, s, kind, limits)
    fractions = [drawn.parts[kind][p].get("True", 0) / drawn.whole[kind][p] for p in who.names]
    rows = _ranked(np.array(fractions)[:, None], who, ["cycling"], contrast=s.contrast)
    found["tables/cycling.csv"].append(rows)
    if sign == "negative":
        shares = _innate(drawn, who.names, kind, ["True"])
        rows = _ranked(shares, who, ["cycling"], contrast=s.contrast)
        found["tables/corrected.csv"].append(rows.assign(analysis="cycling"))


def _innate(drawn: Patients, names: list[str], kind: str, parts: list[str]) -> np.ndarray:
    rows: list[list[Any]] = [[drawn.innate[kind][p].get(x, 0.0) for x in parts] for p in names]
    return np.array(rows, dtype=float)


def _ranked(values: np.ndarray, who: _Who, names: list[str], *, contrast: Contrast) -> pd.DataFrame:
    rows = rank_columns(values, *who.sides).assign(population=names)
    _add_levels(rows, values, who)
    return adjust(rows).assign(contrast=contrast.id)


def _add_levels(rows: pd.DataFrame, values: np.ndarray, who: _Who) -> None:
    """Add how often each exact test rejects where nothing differs, with its ties and strata."""
    for alpha in ALPHAS:
        rows[f"level_{alpha}"] = [exact_level(column, who.sides, alpha) for column in values.T]


def exact_level(
    values: np.ndarray, sides: tuple[np.ndarray, np.ndarray | None], alpha: float
) -> float:
    """Return the level that the exact test of these values can have; nan without both groups.

    Parameters
    ----------
    values
        One per patient.
    sides
        Who is in the group, and strata.
    alpha
        The level asked for.
    """
    in_group, strata = sides
    labels = np.zeros(len(values), dtype=int) if strata is None else strata
    key = []
    for label in pd.unique(labels):
        here = (labels == label) & np.isfinite(values)
        n = int((here & in_group).sum())
        if 0 < n < here.sum():
            ties = np.unique(values[here], return_counts=True)[1]
            key.append((tuple(ties.tolist()), n))
    return stratified_null(tuple(key)).level(alpha, "two-sided") if key else float("nan")
