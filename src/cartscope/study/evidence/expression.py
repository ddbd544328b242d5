"""Which population expresses a gene most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope._schema import CLAIMS_DETAIL
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._weighted import BOOTSTRAP, WeightedStatistic, lead
from cartscope.study.evidence._reading import absent_study, feature_names

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_MIN_CELLS = 50


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return the lead of the named populations over the next, in mean log1p expression."""
    by = evidence.by or "t_subset"
    absent = absent_study(ctx)
    statistics = weighted(ctx, claim, evidence)
    out = []
    for feature in feature_names(claim, evidence):
        gene = evidence.features.get(feature) or feature
        row = CLAIMS_DETAIL.blank(
            id=claim.id, feature=feature, entry=gene, expected="up", effect=float("nan")
        )
        means = _means(_cells(ctx, evidence, gene), by)
        if absent:
            row["reason"] = absent
        elif gene not in statistics:
            row["reason"] = f"{gene}: no {by} with at least {_MIN_CELLS} cells to compare"
        else:
            found = statistics[gene]
            row["effect"] = found.whole()
            low, high = found.interval(f"{claim.id} {gene}", random_state=ctx.seed)
            row |= {"ci_low": low, "ci_high": high, "interval": BOOTSTRAP}
            row["n_group"] = len(found.patients)
            row["population"] = str(means.idxmax())
            row["reason"] = f"highest in {means.idxmax()}, then {_second(means)}"
        out.append(row)
    return pd.DataFrame(out)


def weighted(ctx: Context, claim: Claim, evidence: Evidence) -> dict[str, WeightedStatistic]:
    """Return the lead of every gene that can be ranked, as a function of who counts."""
    by = evidence.by or "t_subset"
    out: dict[str, WeightedStatistic] = {}
    for feature in feature_names(claim, evidence):
        gene = evidence.features.get(feature) or feature
        cells = _cells(ctx, evidence, gene)
        ranked = _means(cells, by).index
        named = ranked.isin(evidence.populations)
        if not named.any() or named.all():
            continue
        totals = cells.pivot_table(index="patient", columns=by, values="total", aggfunc="sum")
        sizes = cells.pivot_table(index="patient", columns=by, values="n_cells", aggfunc="sum")
        arrays: list[Any] = [
            t.reindex(columns=ranked).fillna(0.0).to_numpy(float) for t in (totals, sizes)
        ]
        out[gene] = WeightedStatistic(
            patients=tuple(map(str, totals.index)), value=lead(*arrays, named)
        )
    return out


def _cells(ctx: Context, evidence: Evidence, gene: str) -> pd.DataFrame:
    table = ctx.read_table("tables/expression_patients.csv")
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    by = evidence.by or "t_subset"
    table = table[~table[by].isin(["", "unassigned"]) & (table["gene"] == gene)]
    return table.assign(total=table["mean"] * table["n_cells"])


def _means(cells: pd.DataFrame, by: str) -> pd.Series:
    sums = cells.groupby(by)[["total", "n_cells"]].sum()
    sums = sums[sums["n_cells"] >= _MIN_CELLS]
    return sums["total"] / sums["n_cells"]


def _second(values: pd.Series) -> str:
    ranked = values.sort_values(ascending=False)
    return str(ranked.index[1]) if len(ranked) > 1 else "none"


EVIDENCE = EvidenceReader(
    table="expression",
    needs=("tables/expression_patients.csv",),
    rows=rows,
    weighted=weighted,
    effect="lead in mean log1p expression",
)
