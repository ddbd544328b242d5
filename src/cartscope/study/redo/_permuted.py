"""Other orders of the patients' labels, and a contrast's tests done again with each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cartscope import stats
from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.study.comparisons._groups import GROUP, REFERENCE, Split, split
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.steps import (
    composition,
    corrected,
    cycling,
    de,
    gene_set_scores,
    gsea,
    ligrec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from cartscope.manifest import Contrasts
    from cartscope.study._context import Context
    from cartscope.study._model import Step

SAMPLES = "tables/samples.csv"
STRATA = ("study", "anakinra")
# in the order of the road; not asked of the registry, which knows the steps that use this
STEPS: Final[dict[str, Step]] = {
    m.STEP.name: m.STEP
    for m in (de, gsea, gene_set_scores, composition, cycling, corrected, ligrec)
}
STEPS_OF: Final[dict[str, tuple[str, ...]]] = {
    "de": ("de",),
    "gsea": ("gsea", "gene_set_scores"),
    "composition": ("composition", "corrected"),
    "cycling": ("cycling", "corrected"),
    "ligrec": ("ligrec",),
}


@dataclass(frozen=True)
class PermutedSides:
    """Mappings patient -> side, once through.

    ``exact`` says whether every relabelling is there, the study's own among them; ``n`` is how
    many there are, ``strata`` the columns within which sides were permuted.
    """

    sides: Iterator[dict[str, str]]
    exact: bool
    n: int
    strata: tuple[str, ...]

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield the mappings."""
        return self.sides


def permuted_sides(
    s: Split,
    samples: pd.DataFrame,
    *,
    strata: Sequence[str] = STRATA,
    n: int = 1000,
    random_state: int = 0,
) -> PermutedSides:
    """Put the patients of a contrast on other sides, within strata.

    Parameters
    ----------
    s
        The contrast's patients.
    samples
        One row per sample, the columns of ``samples.csv``.
    strata
        Columns of ``samples``; patients change sides only with patients who are alike in these. A
        column that is not there, and one that decides the sides, is left out.
    n
        Relabellings at most: all of them where there are no more, else that many drawn.
    random_state
        Seed.

    Returns
    -------
    An iterable of patient -> ``"group"`` or ``"reference"``.

    Raises
    ------
    InputError
        If the same patients stand on both sides, or no stratum has patients of both.
    """
    if s.within_patient:
        msg = f"{s.contrast.id}: its patients stand on both sides, and cannot be exchanged."
        raise InputError(msg)
    sides = _sides_of(s)
    names = list(sides)
    by_patient = samples.astype({"patient": str}).drop_duplicates("patient").set_index("patient")
    used = [c for c in strata if c in samples and _varies_within(by_patient[c], sides)]
    labels = by_patient.loc[names, used].astype(str).agg("|".join, axis=1) if used else None
    made = stats.relabel(
        [sides[p] for p in names],
        strata=None if labels is None else labels.to_numpy(),
        n_permutations=n,
        random_state=random_state,
    )
    mappings = (dict(zip(names, one.tolist(), strict=True)) for one in made.labels)
    return PermutedSides(mappings, made.exact, made.n, tuple(used))


def _sides_of(s: Split) -> dict[str, str]:
    placed = [(p, side) for side in (GROUP, REFERENCE) for p in s.members(side)]
    return dict(sorted(placed))


def _varies_within(column: pd.Series, sides: Mapping[str, str]) -> bool:
    """Whether some level of a column has patients of both sides; the outcome's own has none."""
    levels = column.loc[list(sides)].astype(str)
    return any(len({sides[p] for p in part.index}) > 1 for _, part in levels.groupby(levels))


def with_sides(
    samples: pd.DataFrame, s: Split, *, contrasts: Contrasts, sides: Mapping[str, str]
) -> pd.DataFrame:
    """Return the sample table in which patients of a contrast stand on given sides.

    A patient who changes sides gets the outcome of a patient who stood there.

    Parameters
    ----------
    samples
        The table; left as it is.
    s
        The contrast's patients.
    contrasts
        The manifest.
    sides
        Patient -> side, for every patient of the contrast.

    Raises
    ------
    InputError
        If the outcome also decides which samples there are, or the sides cannot be had.
    """
    outcome = contrasts.outcome[s.contrast.outcome]
    columns = list(dict.fromkeys(c.column for c in (*outcome.group, *outcome.reference)))
    if held := [c for c in columns if c in s.contrast.samples]:
        msg = f"{s.contrast.id}: {held} decides which samples there are, and cannot be permuted."
        raise InputError(msg)
    patient = samples["patient"].astype(str)
    before = _sides_of(s)
    if set(sides) != set(before) or not set(sides.values()) <= {GROUP, REFERENCE}:
        msg = f"{s.contrast.id}: give {GROUP!r} or {REFERENCE!r} for each of {list(before)}."
        raise InputError(msg)
    donors = {side: samples.index[patient == s.members(side)[0]][0] for side in (GROUP, REFERENCE)}
    out = samples.copy()
    for name, side in sides.items():
        if before[name] != side:
            for column in columns:
                out.loc[patient == name, column] = samples.loc[donors[side], column]
    if _sides_of(split(s.contrast, contrasts, out)) != dict(sides):
        msg = f"{s.contrast.id}: these sides cannot be had by exchanging {columns} of patients."
        raise InputError(msg)
    return out


def rerun(
    ctx: Context,
    contrast: str,
    sides: Mapping[str, str],
    *,
    steps: Iterable[str] | None = None,
    preset: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, pd.DataFrame]:
    """Do the tests of one contrast again with its patients on other sides.

    Everything that looks at the sides is done again: filters of genes and candidates, families,
    Benjamini-Hochberg. The cells, their labels and the sums of counts do not look at them.

    Parameters
    ----------
    ctx
        A run whose cells and tables are there; left as it was.
    contrast
        Id.
    sides
        Patient -> side, from :func:`permuted_sides`.
    steps
        Names of steps; those of the contrast's analyses if None.
    preset
        Section -> key -> value, in place of the preset's.

    Returns
    -------
    Artifact (``"tables/de.csv"``) -> table, with the rows of this contrast alone.
    """
    manifest = ctx.manifests.contrasts
    chosen = next(c for c in manifest.contrast if c.id == contrast)
    if steps is None:
        steps = [step for a in chosen.analyses for step in STEPS_OF[a]]
    wanted = {one_of(name, list(STEPS), name="step") for name in steps}
    samples = ctx.read_table(SAMPLES)
    changed = with_sides(samples, split(chosen, manifest, samples), contrasts=manifest, sides=sides)
    run = InMemory(ctx, tables={SAMPLES: changed}, contrasts=[contrast], preset=preset)
    made = run.run(step for name, step in STEPS.items() if name in wanted)
    del made[SAMPLES]
    return made


def position(observed: float, permuted: Sequence[float], *, exact: bool) -> dict[str, Any]:
    """Return where a statistic lies among those of permuted labels, two-sided.

    Parameters
    ----------
    observed
        The statistic, centered on 0.
    permuted
        The same of every relabelling; a missing one counts as extreme.
    exact
        Whether ``permuted`` is every relabelling, the observed one among them.

    Returns
    -------
    ``p_value`` (missing where ``observed`` is), ``n`` relabellings and ``exact``.
    """
    values = np.asarray(permuted, dtype=float)
    beyond = (np.abs(values) >= abs(observed) * (1 - 1e-10)) | np.isnan(values)
    p = beyond.mean() if exact else (beyond.sum() + 1) / (values.size + 1)
    return {
        "p_value": float(p) if np.isfinite(observed) else float("nan"),
        "n": int(values.size),
        "exact": exact,
    }
