"""Claims among the patients' labels permuted within strata: --deep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import PERMUTATIONS
from cartscope.study._model import Step
from cartscope.study._registry import all_evidence

if TYPE_CHECKING:
    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

TABLE = "tables/permutations.csv"


def run(ctx: Context) -> None:
    """Write one row per number that a claim rests on; none without --deep."""
    pairs: dict[str, list[tuple[Claim, Evidence]]] = {}
    if ctx.settings.deep:
        for claim in ctx.manifests.claims:
            for evidence in claim.evidence:
                if all_evidence()[evidence.table].permuted is not None:
                    pairs.setdefault(evidence.table, []).append((claim, evidence))
    missing = {"permutation_p": float("nan"), "min_p": float("nan")}
    with ctx.remembering():
        rows = [
            PERMUTATIONS.blank(**{**missing, **row, "table": table})
            for table, here in pairs.items()
            for row in all_evidence()[table].permuted(ctx, here)
        ]
    ctx.write_table(TABLE, pd.DataFrame(rows) if rows else PERMUTATIONS.empty())


STEP = Step(
    name="permutations",
    title="Claims among permuted labels",
    needs=tuple(
        dict.fromkeys(n for e in all_evidence().values() if e.permuted is not None for n in e.needs)
    ),
    makes=(TABLE,),
    params=("pseudobulk", "de", "composition", "cycling", "gsea", "between_patients"),
    settings=("deep", "preset"),
    manifests=("claims.toml", "contrasts.toml", "gene_sets/study.gmt"),
    seeded=True,
    run=run,
)
