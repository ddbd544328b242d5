"""Differential expression between patients, contrast by contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import pandas as pd

from cartscope import _keys as k
from cartscope import pp, tl
from cartscope._errors import EstimabilityError
from cartscope._schema import DE
from cartscope.study._groups import GROUP, REFERENCE, Split, split
from cartscope.study._model import Step
from cartscope.study._pseudobulk import pseudobulk_artifact
from cartscope.study._rows import not_tested, stack
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context

_MIN_PATIENTS = 2  # a variance needs two


def run(ctx: Context) -> None:
    """Test every contrast of contrasts.toml that asks for it."""
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    min_cells = ctx.preset.values("pseudobulk")["min_cells"]
    splits = [split(c, manifest, samples) for c in manifest.by_analysis("de")]
    profiles: dict[str, AnnData] = {}
    tables = []
    for s in splits:
        if s.reason:
            continue
        name = s.contrast.population
        if name not in profiles:
            profiles[name] = anndata.read_h5ad(ctx.path(pseudobulk_artifact(name)))
        rows = rows_of(profiles[name], s)
        few = [g for g in (GROUP, REFERENCE) if (rows.obs["group"] == g).sum() < _MIN_PATIENTS]
        if few:
            reason = (
                f"too few cells: fewer than {_MIN_PATIENTS} patients with {min_cells} cells or "
                f"more in the {' and the '.join(few)}"
            )
            tables.append(not_tested(DE, s.contrast.id, reason=reason))
            continue
        tables.append(_test(ctx, rows, s))
    ctx.write_table("tables/de.csv", stack(DE, tables, splits=splits))


def rows_of(pdata: AnnData, s: Split) -> AnnData:
    """Return the profiles of a contrast's patients, with the side of each in ``obs["group"]``."""
    timepoints = s.contrast.samples.get(k.obs.timepoint)
    obs = pdata.obs.astype({k.obs.patient: str, k.obs.timepoint: str})
    side = pd.Series("", index=obs.index)
    if s.within_patient:
        # one patient stands on both sides, so the time point decides
        side_of_sample = s.side_by_timepoint()
        side = obs[k.obs.timepoint].map(side_of_sample).fillna("")
        both = obs[side != ""].groupby(k.obs.patient)[k.obs.timepoint].nunique()
        paired = set(both[both > 1].index)
        side[~obs[k.obs.patient].isin(paired)] = ""
    else:
        for name in (GROUP, REFERENCE):
            side[obs[k.obs.patient].isin(s.members(name))] = name
        if timepoints:
            side[~obs[k.obs.timepoint].isin([str(t) for t in timepoints])] = ""
    rows = pdata[(side != "").to_numpy()].copy()
    chosen = side[side != ""]
    # the reference comes first, so that an interaction is group minus reference
    rows.obs["group"] = pd.Categorical(chosen, categories=[REFERENCE, GROUP])
    return rows


def _test(ctx: Context, rows: AnnData, s: Split) -> pd.DataFrame:
    c, p = s.contrast, ctx.preset.values("de")
    keep = pp.filter_genes(rows, method=ctx.preset.pseudobulk.gene_filter.value, group="group")
    term = f"{c.interaction}:group" if c.interaction else ("group", GROUP, REFERENCE)
    try:
        return tl.differential_expression(
            rows[:, keep.to_numpy()].copy(),
            design=c.design,
            contrast=term,
            engine=p["engine"],
            name=c.id,
            n_jobs=ctx.jobs,
        )
    except EstimabilityError as error:
        return not_tested(DE, c.id, reason=f"not estimable: {error}")


STEP = Step(
    name="de",
    title="Differential expression between patients",
    needs=(TABLE, "tables/samples.csv"),
    makes=("tables/de.csv",),
    params=("pseudobulk", "de"),
    manifests=("contrasts.toml",),
    run=run,
)
