"""One dot per patient, arm beside arm: the panels that show shares of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import pl
from cartscope._schema import PATIENT_SHARES
from cartscope.study._model import NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from cartscope.study._context import Context


def strip_by_arm(
    ctx: Context,
    analysis: str,
    *,
    contrasts: Mapping[str, str],
    ax: Axes,
    population: str = "",
    sides: tuple[str, str] = ("grade ≥ 2", "grade ≤ 1"),
    family: bool = True,
) -> pd.DataFrame:
    """Draw the percentages behind the tests of one population, and the tests.

    Parameters
    ----------
    ctx
        The run.
    analysis
        ``"cycling"`` or ``"composition"``: which tables, and which minimum of cells.
    contrasts
        Id of the contrast by the arm's name.
    ax
        Axes to draw on.
    population
        Population of the tables; the only one if empty.
    sides
        What to call the group and the reference.
    family
        Whether to write beside q how many tests it corrects for.

    Returns
    -------
    What was drawn, one row per patient; NotDrawable is raised if no arm has a result.
    """
    least = ctx.preset.values(analysis)["min_cells"]
    tests_table = f"tables/{analysis}.csv"
    shares = PATIENT_SHARES.check(_panels.read(ctx, f"tables/{analysis}_patients.csv"))
    rows, order, palette, tests, sizes, reasons = [], [], {}, {}, {}, []
    for arm, contrast in contrasts.items():
        try:
            results = _panels.result_rows(ctx, tests_table, contrast, of=population)
        except NotDrawable as answer:
            reasons.append(str(answer))
            continue
        here = shares[(shares["contrast"] == contrast) & (shares["side"] != "")]
        if population:
            here = here[here["population"] == population]
        names = dict(zip((GROUP, REFERENCE), (f"{s}\n{arm}" for s in sides), strict=True))
        sizes[contrast] = int(results["family_size"].iloc[0])
        rows.append(here.assign(column=here["side"].map(names), arm=arm))
        order += [names[REFERENCE], names[GROUP]]
        palette |= {names[REFERENCE]: pl.REFERENCE, names[GROUP]: pl.GROUP}
        tests[names[REFERENCE], names[GROUP]] = _panels.say_p(results.iloc[0], family=family)
    if not rows:
        raise NotDrawable("; ".join(dict.fromkeys(reasons)))
    table = pd.concat(rows, ignore_index=True)
    table = table.assign(percent=100 * table["fraction"], counted=table["n_cells"] >= least)
    top = 1.04 * max(table["percent"].max(), 0.01)
    if not ax.get_autoscaley_on():  # shared with a panel drawn before
        top = max(top, ax.get_ylim()[1])
    ax.set_ylim(-0.03 * top, top)  # dots at zero stay whole
    pl.strip(
        table, x="column", y="percent", ax=ax, order=order, palette=palette, filled="counted",
        tests=tests,
    )  # fmt: skip
    return table.drop(columns="column").assign(family_size=table["contrast"].map(sizes))
