"""CAR-negative shares with the estimated missed CAR T cells taken out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pandas as pd

from cartscope import _keys as k
from cartscope import tl
from cartscope._schema import CORRECTED, CORRECTED_PATIENTS
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.steps._patients import SIDE, cells_of, lacking
from cartscope.study.steps._rows import not_tested, stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from cartscope.manifest import Contrast, Population
    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split

POSITIVE: Final = k.car.positive
NEGATIVE: Final = k.car.negative


def run(ctx: Context) -> None:
    """Correct every composition and cycling contrast of CAR-negative cells."""
    samples = ctx.read_table("tables/samples.csv")
    calls = ctx.read_table("tables/car_calls.csv")
    manifest = ctx.manifests.contrasts
    adata = ctx.cells("corrected")
    splits, tables, patients = [], [], []
    for contrast in manifest.contrast:
        population = manifest.population.get(contrast.population or "")
        if population is None or population.where.get(k.obs.car_status) != (NEGATIVE,):
            continue
        for analysis in ("composition", "cycling"):
            if analysis not in contrast.analyses:
                continue
            s = split(contrast, manifest, samples)
            splits.append(s)
            if not s.reason:
                for table, shares in _corrected(
                    adata, s, population=population, calls=calls, ctx=ctx
                ):
                    tables.append(table.assign(analysis=analysis))
                    patients.append(CORRECTED_PATIENTS.check(shares.assign(analysis=analysis)))
    ctx.write_table("tables/corrected.csv", stack(CORRECTED, tables, splits=splits))
    patients = [CORRECTED_PATIENTS.empty(), *patients]
    ctx.write_table("tables/corrected_patients.csv", pd.concat(patients, ignore_index=True))


def _corrected(
    adata: AnnData, s: Split, *, population: Population, calls: pd.DataFrame, ctx: Context
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return tests and the shares behind them, for each kind of parts."""
    where = {column: v for column, v in population.where.items() if column != k.obs.car_status}
    cells = cells_of(adata, s, population.model_copy(update={"where": where}))
    status = cells.obs[k.obs.car_status].astype(str)
    negative, positive = (cells[(status == name).to_numpy()] for name in (NEGATIVE, POSITIVE))
    here = calls[calls["sample"].isin(s.side.index[s.side != ""])]
    # where no cell has a weight: one unsorted library a patient, or the mean of several
    missed = here[here["sorted"].str.lower() != "true"].groupby("patient")["missed_share"].mean()
    if reason := lacking(negative):
        return [(not_tested(CORRECTED, s.contrast.id, reason=reason), CORRECTED_PATIENTS.empty())]
    sides = negative.obs.astype({k.obs.patient: str, SIDE: str}).drop_duplicates(k.obs.patient)
    levels = dict(zip(sides[k.obs.patient], sides[SIDE], strict=True))
    minimum = ctx.preset.values("composition")["min_cells"]
    strata = strata_of(ctx, s, ctx.read_table("tables/samples.csv"))
    out = []
    for parts, shares in _shares(s.contrast, population.label):
        weighted = None
        if k.obs.car_detection in cells.obs:
            weighted = tl.innate_fractions(cells, parts=parts, population=population.label)
        fixed = tl.correct_missed(
            shares(negative), shares(positive), missed.dropna().to_dict(), weighted=weighted
        )
        table = tl.compare_fractions(
            fixed,
            levels,
            contrast=(GROUP, REFERENCE),
            min_cells=minimum,
            name=s.contrast.id,
            strata=None if strata is None else strata.of,
            within="" if strata is None else strata.name,
        )
        side = fixed["sample_or_patient"].map(levels)
        table = table.join(_said(fixed, side, minimum=minimum), on="population")
        patients = fixed.assign(contrast=s.contrast.id, side=side, part=parts)
        out.append((table, patients.rename(columns={"sample_or_patient": "patient"})))
    return out


def _said(fixed: pd.DataFrame, side: pd.Series, *, minimum: int) -> pd.DataFrame:
    """Return what stands behind the corrected shares of each population."""
    used = fixed[fixed["n_cells"] >= minimum]
    rows = {}
    for population, part in used.groupby("population"):
        of = {name: part[side[part.index] == name] for name in (GROUP, REFERENCE)}
        methods = sorted(set(part["method"]) - {""})
        rows[population] = {
            **{f"missed_{name}": of[name]["missed_share"].median() for name in of},
            **{f"se_{name}": of[name]["se"].median() for name in of},
            "method": methods[0] if len(methods) == 1 else "both" if methods else "",
            "n_clipped": int(part["clipped"].sum()),
            "n_lost": int(part["fraction"].isna().sum()),
        }
    columns = ["missed_group", "missed_reference", "se_group", "se_reference", "method"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*columns, "n_clipped", "n_lost"])
    return table.reindex(fixed["population"].unique()).fillna(
        {"method": "", "n_clipped": 0, "n_lost": 0}
    )


def _shares(contrast: Contrast, label: str) -> list[tuple[str, Callable]]:
    if "cycling" in contrast.analyses:
        return [(k.obs.cycling, lambda cells: tl.cycling_fractions(cells, population=label))]
    return [
        (parts, partial(tl.composition_fractions, parts=parts, sorted_key=None))
        for parts in contrast.parts
    ]


STEP = Step(
    name="corrected",
    title="CAR-negative shares without missed CAR T cells",
    needs=(
        cell_artifact("car"),
        cell_artifact("cycle"),
        cell_artifact("t_subsets"),
        "tables/car_calls.csv",
        "tables/samples.csv",
    ),
    makes=("tables/corrected.csv", "tables/corrected_patients.csv"),
    params=("composition", "between_patients"),
    manifests=("contrasts.toml",),
    run=run,
)
