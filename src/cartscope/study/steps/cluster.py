"""Neighbours, UMAP and Leiden."""

from __future__ import annotations

from cartscope import _keys as k
from cartscope import pp, tl
from cartscope.study._context import Context, cell_artifact
from cartscope.study._model import Step


def run(ctx: Context) -> None:
    """Cluster the harmonised components."""
    p = ctx.preset.values("embedding")
    with ctx.annotating("cluster") as adata:
        pp.neighbors(
            adata,
            n_neighbors=p["n_neighbors"],
            use_rep=k.obsm.harmony,
            n_pcs=p["n_comps_used"],
            random_state=ctx.seed,
            n_jobs=ctx.jobs,
        )
        pp.umap(adata, random_state=ctx.seed, n_jobs=ctx.jobs)
        tl.leiden(adata, resolution=p["resolution"], random_state=ctx.seed)


STEP = Step(
    name="cluster",
    title="Neighbours, UMAP, Leiden",
    needs=(cell_artifact("embed"),),
    makes=(cell_artifact("cluster"),),
    params=("embedding",),
    seeded=True,
    run=run,
)
