"""Figure S10A: the genes that go with anakinra in CAR+ CD4 CTL, patient by patient."""

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

CONTRAST = "ctl_anakinra_low_crs"
TOP = 15


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw z-scores of the genes with the smallest p, IL10 first."""
    rows = _panels.result_rows(ctx, "tables/de.csv", CONTRAST)
    top = rows.sort_values("p_value", kind="stable")["gene"].head(TOP)
    genes = list(dict.fromkeys([*_panels.claim_features(ctx, ["il10-with-anakinra"]), *top]))
    figure, ax = plt.subplots(figsize=(3.8, 1.6 + 0.13 * len(genes)), layout="constrained")
    return figure, draw_patients(ctx, [CONTRAST], genes=genes, ax=ax)


FIGURE = FigureSpec(
    id="S10A",
    title="Genes that go with anakinra in CAR+ CD4 CTL",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=("il10-with-anakinra",),
    caption="log2(1 + counts per million) of pseudobulk profiles as z-scores over patients; IL10 "
    "and the 15 genes with the smallest p of panel 6G, whether or not they pass the FDR. "
    "Genes chosen by the same patients that are drawn look separated by construction. "
    "What the published panel shows is not described in the text.",
    note="No test. Genes chosen in the same patients look separated by construction.",
)
