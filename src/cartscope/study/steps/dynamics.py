"""Subsets of CAR T cells from the product to day 7, against the comparator cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._schema import SUBSET_DYNAMICS
from cartscope.study._model import Step
from cartscope.study.comparisons._dynamics import COUNTS, read_dynamics
from cartscope.study.comparisons._groups import GROUP, REFERENCE

if TYPE_CHECKING:
    from cartscope.study._context import Context

TABLE = "tables/subset_dynamics.csv"


def run(ctx: Context) -> None:
    """Write one row per subset: mean shares, their changes and the difference of these."""
    wanted = {e.where.get("study", ()) for c in ctx.manifests.claims for e in c.evidence
              if e.table == "subset_dynamics"}  # fmt: skip
    found = read_dynamics(ctx, sorted({s for series in wanted for s in series}))
    if isinstance(found, str):
        ctx.write_table(TABLE, SUBSET_DYNAMICS.empty())
        return
    means = found.means(np.ones(len(found.patients)))
    there = np.isfinite(found.shares[:, :, 0]).any(axis=1)
    rows = []
    for j, subset in enumerate(found.subsets):
        row: dict[str, object] = {"t_subset": subset}
        for i, side in enumerate((GROUP, REFERENCE)):
            product, day7 = means[i, :, j]
            row |= {f"product_{side}": product, f"day7_{side}": day7}
            row |= {f"change_{side}": day7 - product}
            row[f"n_{side}"] = int((there & (found.side == side)).sum())
        difference = found.difference(subset)
        low, high = difference.interval(f"dynamics {subset}", random_state=ctx.seed)
        row |= {"difference": difference.whole(), "ci_low": low, "ci_high": high}
        rows.append(row)
    ctx.write_table(TABLE, pd.DataFrame(rows))


STEP = Step(
    name="dynamics",
    title="Subsets of CAR T cells over time",
    needs=(COUNTS, "tables/samples.csv"),
    makes=(TABLE,),
    params=("composition",),
    manifests=("claims.toml",),
    seeded=True,
    run=run,
)
