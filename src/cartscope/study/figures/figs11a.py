"""Figure S11A: genes that rise or fall with CRS in CD14 monocytes, patient by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panels
from cartscope.study.panels._heat import draw_patients

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CLAIMS = ("monocyte-shared-up", "monocyte-il1-down", "monocyte-anakinra-only")


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw z-scores of the genes that the claims name, both arms apart."""
    contrasts = ["mono_crs_anakinra", "mono_crs_no_anakinra"]
    for contrast in contrasts:
        _panels.result_rows(ctx, "tables/de.csv", contrast)
    genes = _panels.claim_features(ctx, CLAIMS)
    figure, ax = plt.subplots(figsize=(7.0, 1.7 + 0.14 * len(genes)), layout="constrained")
    return figure, draw_patients(ctx, contrasts, genes=genes, ax=ax)


FIGURE = FigureSpec(
    id="S11A",
    title="CRS genes of CD14 monocytes, patient by patient",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=CLAIMS,
    caption="log2(1 + counts per million) of day 7 CD14 monocytes, pseudobulk per patient, as "
    "z-scores over the patients of each arm; genes that the text names. Tocilizumab and "
    "steroids were given for grade ≥ 2 only; several of these genes answer to steroids.",
    note="No test. Steroids were given for grade ≥ 2 only, and several of these genes answer "
    "to them.",
)
