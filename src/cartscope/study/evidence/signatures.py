"""Which cell type has the highest score of a gene set."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    """Return the lead of the named types over the next, in mean score over patients."""
    absent = absent_study(ctx)
    statistics = weighted(ctx, claim, evidence)
    out = []
    for feature in feature_names(claim, evidence):
        name = evidence.features.get(feature, feature)
        row = CLAIMS_DETAIL.blank(
            id=claim.id, feature=feature, entry=name, expected="up", effect=float("nan")
        )
        if absent:
            row["reason"] = absent
        elif name not in statistics:
            row["reason"] = f"no two cell types with at least {_MIN_CELLS} cells to compare"
        else:
            wide = _wide(ctx, evidence, name)
            means = wide.mean()
            others = means[~means.index.isin(evidence.populations)]
            found = statistics[name]
            row["effect"] = found.whole()
            low, high = found.interval(f"{claim.id} {name}", random_state=ctx.seed)
            row |= {"ci_low": low, "ci_high": high, "interval": BOOTSTRAP}
            row["n_group"] = len(found.patients)
            row["population"] = str(means.idxmax())
            row["reason"] = f"highest in {means.idxmax()}, next other type {others.idxmax()}"
        out.append(row)
    return pd.DataFrame(out)


def weighted(ctx: Context, claim: Claim, evidence: Evidence) -> dict[str, WeightedStatistic]:
    """Return the lead of every set that can be ranked, as a function of who counts."""
    out: dict[str, WeightedStatistic] = {}
    for feature in feature_names(claim, evidence):
        name = evidence.features.get(feature, feature)
        wide = _wide(ctx, evidence, name)
        named = wide.columns.isin(evidence.populations)
        if not named.any() or named.all():
            continue
        # a patient counts once, however many cells were read
        present = wide.notna().to_numpy(float)
        out[name] = WeightedStatistic(
            patients=tuple(map(str, wide.index)),
            value=lead(wide.fillna(0.0).to_numpy(float), present, named),
        )
    return out


def _wide(ctx: Context, evidence: Evidence, name: str) -> pd.DataFrame:
    """Return mean scores, patients x cell types with enough cells."""
    table = ctx.read_table("tables/signatures.csv")
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    here = table[(table["cell_type"] != "unassigned") & (table["signature"] == name)]
    cells = here.groupby("cell_type")["n_cells"].sum()
    enough = cells.index[cells >= _MIN_CELLS]
    wide = here.pivot_table(index="patient", columns="cell_type", values="mean", aggfunc="mean")
    return wide.reindex(columns=enough)


EVIDENCE = EvidenceReader(
    table="signatures",
    needs=("tables/signatures.csv",),
    rows=rows,
    weighted=weighted,
    effect="lead in mean score",
)
