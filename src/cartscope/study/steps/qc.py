"""Drop cells and genes that cannot be used, and keep the ledger of why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import _keys as k
from cartscope import io, pp
from cartscope._errors import InputError
from cartscope.pp._qc_table import FAILED
from cartscope.study._context import BASE
from cartscope.study._model import Step

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Judge cells by fixed and adaptive limits, then doublets per library."""
    adata = io.read_cells(ctx.path("work/ingest.h5ad"))
    p = ctx.preset.values("qc")
    pp.qc(
        adata,
        min_genes=p["min_genes"],
        max_pct_mito=p["max_pct_mito"],
        max_hbb=p["max_hbb"],
        mad=p["mad"] or None,
    )
    if p["doublets"]:
        _score_doublets(ctx, adata, key=p["doublet_key"])
    libraries = pp.qc_table(adata)
    ctx.write_table("tables/qc.csv", libraries)
    least = p["min_cells_per_gene"]
    dropped = pp.dropped_table(adata, min_cells_per_gene=least, libraries=libraries)
    ctx.write_table("tables/dropped.csv", dropped)
    failed = set(libraries.loc[libraries["verdict"] == FAILED, "sample"])
    keep = pp.kept_cells(adata) & ~adata.obs[k.obs.sample].astype(str).isin(failed).to_numpy()
    if not keep.any():
        msg = "no cell passed quality control; tables/qc.csv says why, library by library."
        raise InputError(msg)
    genes = adata.var[k.var.n_cells].to_numpy() >= least
    # a CAR that no cell has is an answer, not a gene to drop
    car = {name.casefold() for name in adata.uns[k.uns.cartscope].get(k.uns.car_features, [])}
    genes |= adata.var_names.str.casefold().isin(car)
    adata._inplace_subset_obs(keep)
    adata._inplace_subset_var(genes)
    for column in (k.obs.qc_pass, k.obs.qc_reason):
        del adata.obs[column]
    with ctx.writing(BASE) as temporary:
        io.write_cells(adata, temporary)


def _score_doublets(ctx: Context, adata: AnnData, *, key: str) -> None:
    obs = adata.obs
    # the preset's key may be a column that this cohort does not have, or has for some cells only
    known = key in obs and obs[key].notna().all() and obs[key].astype(str).ne("").all()
    key = key if known else k.obs.sample
    skip = {}
    if k.obs.timepoint in obs:
        for timepoint in ctx.manifests.cohort.doublets_skip_timepoints:
            there = obs[k.obs.timepoint].astype(str) == timepoint
            reason = f"nearly all T cells in {timepoint}: a mixture of two does not stand out"
            skip |= dict.fromkeys(obs.loc[there, key].astype(str).unique(), reason)
    pp.doublets(adata, sample_key=key, skip=skip, random_state=ctx.seed, n_jobs=ctx.jobs)


STEP = Step(
    name="qc",
    title="Drop cells that cannot be used",
    needs=("work/ingest.h5ad",),
    makes=(BASE, "tables/qc.csv", "tables/dropped.csv"),
    params=("qc",),
    manifests=("cohort.toml",),
    seeded=True,
    run=run,
)
