"""Figure S9G: genes that go with neurotoxicity, population by population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panels
from cartscope.study.panels._volcano import draw_volcano

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CLAIM = "nt-cd8-proliferation-de"
CONTRAST = "car_neg_cd8_nt_anakinra"
ALPHA, MIN_EFFECT = 0.1, 1.0
COUNT = "genes with q < 0.1 and more than two-fold change"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw how many genes differ in each population, and the volcano of CAR- CD8 T cells."""
    claim = next(c for c in ctx.manifests.claims if c.id == CLAIM)
    contrasts = dict.fromkeys(c for e in claim.evidence for c in e.contrasts)
    counts = pd.DataFrame([_count(ctx, c) for c in contrasts])
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.4), layout="constrained")
    tested = counts[counts["reason"] == ""].rename(columns={"genes": COUNT})
    pl.bars(tested, y="population", width=COUNT, ax=left)
    left.set_title("NT grade ≥ 2 against ≤ 1, anakinra")
    genes = _panels.claim_features(ctx, [CLAIM])
    volcano = draw_volcano(
        ctx, CONTRAST, ax=right, genes=genes, alpha=ALPHA, min_effect=MIN_EFFECT, n_top=5
    )
    source = pd.concat([counts.assign(panel="counts"), volcano.assign(panel="volcano")])
    return figure, source.reset_index(drop=True)


def _count(ctx: Context, contrast: str) -> dict[str, object]:
    manifest = ctx.manifests.contrasts
    population = next(c.population for c in manifest.contrast if c.id == contrast)
    row = {"contrast": contrast, "population": manifest.population[population].label}
    try:
        rows = _panels.result_rows(ctx, "tables/de.csv", contrast)
    except NotDrawable as answer:
        return {**row, "genes": 0, "tested": 0, "reason": str(answer)}
    passing = (rows["fdr"] < ALPHA) & (rows["log2_fc"].abs() > MIN_EFFECT)
    return {**row, "genes": int(passing.sum()), "tested": len(rows), "reason": ""}


FIGURE = FigureSpec(
    id="S9G",
    title="Genes that go with neurotoxicity",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=(CLAIM,),
    caption="Pseudobulk differential expression at day 7, anakinra arm; left: genes that pass, by"
    " population, of different numbers tested; right: CAR\u2212 CD8 T cells, coloured at "
    "Benjamini-Hochberg q < 0.1 and more than two-fold change. CAR T cells missed among "
    "CAR\u2212 cells can make proliferation differ where expansion differs by grade.",
    note="{de}, pseudobulk per patient. CAR− cells hold missed CAR T cells, which may cycle more.",
)
