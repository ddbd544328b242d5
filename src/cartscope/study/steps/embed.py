"""Variable genes, principal components and Harmony."""

from __future__ import annotations

import re

from cartscope import _keys as k
from cartscope import pp
from cartscope.study._context import BASE, Context, cell_artifact
from cartscope.study._model import Step


def run(ctx: Context) -> None:
    """Embed the cells; outcomes are refused as batch keys."""
    genes, p = ctx.preset.values("genes"), ctx.preset.values("embedding")
    cohort = ctx.manifests.cohort
    with ctx.annotating("embed") as adata:
        # whatever the CAR is called in this cohort: CAR T cells are no cell type of their own
        car = [re.escape(name) for name in adata.uns[k.uns.cartscope].get(k.uns.car_features, ())]
        pp.variable_genes(
            adata,
            method=genes["method"],
            n_top=genes["n_top"],
            exclude=[*cohort.clustering_blacklist, *car],
            n_jobs=ctx.jobs,
        )
        pp.pca(
            adata,
            n_comps=p["n_comps"],
            regress=p["regress"],
            scale_max=p["scale_max"],
            n_jobs=ctx.jobs,
        )
        pp.harmony(
            adata,
            p["batch_key"],
            lamb=p["lamb"],
            protected=cohort.protected,
            random_state=ctx.seed,
            n_jobs=ctx.jobs,
        )


STEP = Step(
    name="embed",
    title="Principal components and Harmony",
    needs=(BASE,),
    makes=(cell_artifact("embed"),),
    params=("genes", "embedding"),
    manifests=("cohort.toml",),
    seeded=True,
    run=run,
)
