"""Figures S9A to S9C: subsets of CAR T cells in the product and at day 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._context import cell_artifact
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

ARMS = {"true": "anakinra", "false": "no anakinra"}
TIMES = {k.timepoints.infusion_product: "product", k.timepoints.day7: "day 7"}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw mean shares over patients, one bar per study, arm and time point."""
    least = ctx.preset.values("composition")["min_cells"]
    obs = ctx.cells("figure S9A-C").obs
    chosen = (obs[k.obs.cell_type].astype(str) == "T") & (
        obs[k.obs.car_status].astype(str) == k.car.positive
    )
    columns = [k.obs.patient, k.obs.study, k.obs.anakinra, k.obs.timepoint, k.obs.t_subset]
    obs = obs.loc[chosen]
    cells = pd.DataFrame({c: _panel_tables.text_of(obs, c) for c in columns})
    cells = cells[cells[k.obs.timepoint].isin(TIMES) & (cells[k.obs.t_subset] != k.UNASSIGNED)]
    cells["arm"] = cells[k.obs.anakinra].str.lower().map(ARMS).fillna("anakinra unknown")
    unit = [k.obs.study, "arm", k.obs.timepoint, k.obs.patient]
    counts = cells.groupby([*unit, k.obs.t_subset]).size().rename("n").reset_index()
    total = counts.groupby(unit)["n"].transform("sum")
    counts = counts.assign(n_cells=total, share=counts["n"] / total)
    counts = counts[counts["n_cells"] >= least]
    if counts.empty:
        msg = f"no patient has {least} CAR+ T cells with a subset in a product or at day 7"
        raise NotDrawable(msg)
    source = _means(counts, unit[:3])
    palette = _panels.subset_colors(ctx, source[k.obs.t_subset])
    figure, ax = plt.subplots(figsize=(4.8, 3.3), layout="constrained")
    height = "mean share of CAR+ T cells"
    drawn = source.rename(columns={"share": height})
    pl.stacked_bars(drawn, x="bar", part=k.obs.t_subset, height=height, ax=ax, palette=palette)
    return figure, source.drop(columns="bar")


def _means(counts: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    patients = counts.groupby(by)[k.obs.patient].nunique().rename("n_patients")
    # a subset that a patient lacks counts as zero
    sums = counts.groupby([*by, k.obs.t_subset])["share"].sum().reset_index()
    table = sums.join(patients, on=by)
    table["share"] /= table["n_patients"]
    table["bar"] = [
        f"{study}\n{arm}\n{TIMES[t]} (n = {n})"
        for study, arm, t, n in zip(*(table[c] for c in (*by, "n_patients")), strict=True)
    ]
    order = list(TIMES)
    return table.sort_values(
        by, key=lambda c: c.map(order.index) if c.name == k.obs.timepoint else c, kind="stable"
    ).reset_index(drop=True)


FIGURE = FigureSpec(
    id="S9A-C",
    title="Subsets of CAR T cells over time",
    needs=tuple(cell_artifact(s) for s in ("annotate", "t_subsets", "car")),
    params=("composition",),
    draw=draw,
    claims=("subset-dynamics",),
    caption="Mean over patients of the share of each subset among CAR+ T cells with a subset, in "
    "products and at day 7, by study and arm; n: patients with enough of these cells, not"
    " the same in both. What panels A to C hold apart is not described in the text: this "
    "is what it says of them.",
    note="Means over patients. No test.",
)
