"""CAR-negative shares with the estimated missed CAR T cells taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _keys as k
from cartscope import tl
from cartscope._schema import CORRECTED
from cartscope.study._context import cell_artifact
from cartscope.study._groups import GROUP, REFERENCE, split
from cartscope.study._model import Step
from cartscope.study._patients import SIDE, cells_of, lacking
from cartscope.study._rows import not_tested, stack

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from cartscope.manifest import Contrast, Population
    from cartscope.study._context import Context
    from cartscope.study._groups import Split


def run(ctx: Context) -> None:
    """Correct every composition and cycling contrast of CAR-negative cells."""
    samples = ctx.read_table("tables/samples.csv")
    calls = ctx.read_table("tables/car_calls.csv")
    manifest = ctx.manifests.contrasts
    adata = ctx.cells("corrected")
    splits, tables = [], []
    for contrast in manifest.contrast:
        population = manifest.population.get(contrast.population or "")
        if population is None or population.where.get(k.obs.car_status) != (k.car.negative,):
            continue
        for analysis in ("composition", "cycling"):
            if analysis not in contrast.analyses:
                continue
            s = split(contrast, manifest, samples)
            splits.append(s)
            if not s.reason:
                table = _corrected(adata, s, population=population, calls=calls, ctx=ctx)
                tables += [t.assign(analysis=analysis) for t in table]
    ctx.write_table("tables/corrected.csv", stack(CORRECTED, tables, splits=splits))


def _corrected(
    adata: AnnData, s: Split, *, population: Population, calls: pd.DataFrame, ctx: Context
) -> list[pd.DataFrame]:
    positives = population.model_copy(
        update={"where": {**population.where, k.obs.car_status: (k.car.positive,)}}
    )
    negative, positive = (cells_of(adata, s, p) for p in (population, positives))
    here = calls[calls["sample"].isin(s.side.index[s.side != ""])]
    # one unsorted library a patient; a patient with several has the mean of them
    missed = here[here["sorted"].str.lower() != "true"].groupby("patient")["missed_share"].mean()
    sides = negative.obs.astype({k.obs.patient: str, SIDE: str}).drop_duplicates(k.obs.patient)
    levels = dict(zip(sides[k.obs.patient], sides[SIDE], strict=True))
    if reason := lacking(negative):
        return [not_tested(CORRECTED, s.contrast.id, reason=reason)]
    out = []
    for shares in _shares(s.contrast, population.label):
        fixed = tl.correct_missed(shares(negative), shares(positive), missed.dropna().to_dict())
        minimum = ctx.preset.values("composition")["min_cells"]
        table = tl.compare_fractions(
            fixed, levels, contrast=(GROUP, REFERENCE), min_cells=minimum, name=s.contrast.id
        )
        medians = missed.groupby(missed.index.map(levels)).median()
        out.append(
            table.assign(
                missed_group=medians.get(GROUP, float("nan")),
                missed_reference=medians.get(REFERENCE, float("nan")),
            )
        )
    return out


def _shares(contrast: Contrast, label: str) -> list:
    if "cycling" in contrast.analyses:
        return [lambda cells: tl.cycling_fractions(cells, population=label)]
    return [
        lambda cells, parts=parts: tl.composition_fractions(cells, parts=parts, sorted_key=None)
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
    makes=("tables/corrected.csv",),
    params=("composition",),
    manifests=("contrasts.toml",),
    run=run,
)
