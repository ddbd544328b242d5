"""Say which cells carry the CAR, and audit the calls and the ambient RNA sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import pp, tl
from cartscope._schema import AMBIENT
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context


_FROM_AMBIENT = (
    "sample",
    "ambient_share",
    "ambient_car",
    "car_reads_ambient",
    "car_reads_ambient_high",
    "ambient_reason",
)


def run(ctx: Context) -> None:
    """Call each library by the CAR features it can have."""
    settings = {
        "product_key": k.obs.sample,
        "controls": ctx.manifests.annotation.car.controls,
        "none_where": {k.obs.timepoint: ctx.manifests.cohort.car_absent_timepoints},
    }
    with ctx.annotating("car") as adata:
        # a library whose reference lacks the CAR has no zeros, it has no answer
        found = adata.uns[k.uns.cartscope].get(k.uns.car_features_by_sample, {})
        features = {str(sample): tuple(names) for sample, names in found.items()}
        tl.car_status(adata, features=features, rule=ctx.preset.cells.car.value, settings=settings)
        tl.car_detection(adata, settings=settings)
        table = tl.car_audit(adata, settings=settings)
        ambient = _ambient(ctx, adata)
    ctx.write_table("tables/ambient.csv", ambient)
    table["car_features"] = table["sample"].map(lambda s: " ".join(features.get(s, ())))
    table = _say_what_is_missing(ctx, table)
    shown = ambient.rename(columns={"reason": "ambient_reason"}).reindex(
        columns=list(_FROM_AMBIENT)
    )
    table = table.merge(shown, on="sample", how="left")
    ctx.write_table("tables/car_calls.csv", table)


def _ambient(ctx: Context, adata: AnnData) -> pd.DataFrame:
    manifest = ctx.manifests.annotation
    named = {gene for genes in manifest.ambient.values() for gene in genes}
    if not adata.var_names.isin(named).any():  # a panel of other genes: an answer, no error
        reason = "none of the genes that annotation.toml names for ambient RNA is among the genes"
        samples = sorted(adata.obs[k.obs.sample].astype(str).unique())
        return pd.DataFrame([AMBIENT.blank(sample=s, reason=reason) for s in samples])
    return pp.ambient(adata, exclusive=manifest.ambient, controls=manifest.car.controls)


def _say_what_is_missing(ctx: Context, table: pd.DataFrame) -> pd.DataFrame:
    samples = ctx.read_table("tables/samples.csv").set_index("sample_id")
    if "car_features" not in samples:
        samples["car_features"] = ""
    without = table["car_features"] == ""
    asked = table["sample"].map(samples["car_features"])
    said = asked.map(lambda a: f"its reference has none of {a}" if a else "no CAR feature named")
    table.loc[without, "reason"] = said[without]
    table.loc[without, "positive_share"] = float("nan")
    return table


STEP = Step(
    name="car",
    title="CAR status",
    needs=(cell_artifact("annotate"), "tables/samples.csv"),
    makes=(cell_artifact("car"), "tables/car_calls.csv", "tables/ambient.csv"),
    params=("cells",),
    manifests=("annotation.toml", "cohort.toml"),
    run=run,
)
