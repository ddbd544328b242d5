"""Score the cell cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope import io, tl
from cartscope.study._context import cell_artifact
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.study._context import Context

GENES = "gene_sets/cell_cycle.gmt"


def run(ctx: Context) -> None:
    """Write S and G2M scores, the phase, and which cells are cycling."""
    sets = io.read_gene_sets(ctx.manifests.file(GENES))
    s_genes, g2m_genes = (next(g for n, g in sets.items() if n.startswith(p)) for p in ("S", "G2M"))
    with ctx.annotating("cycle") as adata:
        tl.cell_cycle(
            adata,
            s_genes=s_genes,
            g2m_genes=g2m_genes,
            method=ctx.preset.cells.cell_cycle.value,
            aliases=ctx.manifests.annotation.aliases,
            random_state=ctx.seed,
        )


STEP = Step(
    name="cycle",
    title="Cell cycle",
    needs=(cell_artifact("annotate"),),
    makes=(cell_artifact("cycle"),),
    params=("cells",),
    manifests=(GENES, "annotation.toml"),
    seeded=True,
    run=run,
)
