"""Variable genes, principal components and Harmony."""

from __future__ import annotations

from cartscope import pp
from cartscope.study._context import BASE, Context, cell_artifact
from cartscope.study._model import Step


def run(ctx: Context) -> None:
    """Embed the cells; outcomes are refused as batch keys."""
    genes, p = ctx.preset.values("genes"), ctx.preset.values("embedding")
    cohort = ctx.manifests.cohort
    with ctx.annotating("embed") as adata:
        pp.variable_genes(
            adata,
            method=genes["method"],
            n_top=genes["n_top"],
            exclude=cohort.clustering_blacklist,
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
