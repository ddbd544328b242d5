"""What the claims' numbers become without each patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope._schema import INFLUENCE
from cartscope.study._model import Step
from cartscope.study._registry import all_evidence
from cartscope.study.steps.ligrec import STEP as LIGREC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context
    from cartscope.study._model import EvidenceReader

_NUMBERS = dict.fromkeys(("effect", "ci_low", "ci_high", "p_value", "fdr", "min_p"), np.nan)


def run(ctx: Context) -> None:
    """Write one row per number that a claim rests on and patient."""
    pairs: dict[str, list[tuple[Claim, Evidence]]] = {}
    for claim in ctx.manifests.claims:
        for evidence in claim.evidence:
            pairs.setdefault(evidence.table, []).append((claim, evidence))
    with ctx.remembering():
        rows = [
            INFLUENCE.blank(**{**_NUMBERS, **row, "table": table})
            for table, here in pairs.items()
            for row in _rows(ctx, all_evidence()[table], here)
        ]
    table = pd.DataFrame(rows) if rows else INFLUENCE.empty()
    key = ["id", "table", "contrast", "entry", "patient_left_out"]
    ctx.write_table("tables/influence.csv", table.drop_duplicates(key))


def _rows(
    ctx: Context, reader: EvidenceReader, pairs: list[tuple[Claim, Evidence]]
) -> Iterator[dict[str, Any]]:
    if reader.without is not None:
        yield from reader.without(ctx, pairs)
    if reader.weighted is not None:
        for claim, evidence in pairs:
            for entry, statistic in reader.weighted(ctx, claim, evidence).items():
                for patient, value in statistic.without_each().items():
                    # the same entry may be asked of other cells by another claim
                    yield {
                        "id": claim.id,
                        "entry": entry,
                        "patient_left_out": patient,
                        "effect": value,
                        "how": "done again",
                    }


STEP = Step(
    name="influence",
    title="Claims without each patient",
    needs=tuple(
        dict.fromkeys(
            n
            for e in all_evidence().values()
            if e.without is not None or e.weighted is not None
            for n in e.needs
        )
    ),
    makes=("tables/influence.csv",),
    params=("pseudobulk", "de", "composition", "cycling", "gsea", "ligrec", "between_patients"),
    settings=("preset",),
    manifests=("claims.toml", "contrasts.toml", "gene_sets/study.gmt", "ligand_receptor.toml"),
    # pairs are counted by both presets
    inputs=LIGREC.inputs,
    run=run,
)
