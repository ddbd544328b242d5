"""Figure 7A: effects of CRS in CD14 monocytes, with anakinra against without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study._model import FigureSpec
from cartscope.study.panels import _effects, _panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CLAIMS = ("monocyte-shared-up", "monocyte-il1-down", "monocyte-anakinra-only")


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw every gene tested in both arms, and name the genes of the claims."""
    return _effects.draw_two_arms(
        ctx,
        ("mono_crs_anakinra", "mono_crs_no_anakinra"),
        interaction="mono_crs_interaction",
        genes=_panels.claim_features(ctx, CLAIMS),
        alpha=0.1,
    )


FIGURE = FigureSpec(
    id="7A",
    title="CRS in CD14 monocytes, with and without anakinra",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=CLAIMS,
    caption="log2 fold change of day 7 CD14 monocytes, CRS grade ≥ 2 against ≤ 1, on pseudobulk "
    "per patient; colours: Benjamini-Hochberg q < 0.1 within each arm; triangles: q < 0.1"
    " for the difference of the two effects. The difference cannot be told from one "
    "between studies: no untreated patient of the new study has grade ≥ 2. Both effects and "
    "their difference are of the model named in tables/fits.csv; with study in it, the new "
    "study's four untreated patients have weight 0 in them. Tocilizumab "
    "and steroids were given for grade ≥ 2 only.",
    note="{de}, pseudobulk per patient. A difference between arms is not separable from study "
    "× CRS. Tocilizumab and steroids: grade ≥ 2 only.",
)
