"""How many ligand-receptor pairs are candidates by the paper's rule, and how many pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study._context import cell_artifact
from cartscope.study._model import EvidenceReader
from cartscope.study.comparisons._ligrec_candidates import NONE, PICKED_FROM
from cartscope.study.evidence._reading import COUNTED_PAIRS, rows_by_contrast, wanted_entries
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.steps import ligrec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from cartscope.manifest import Claim, Contrast, Evidence
    from cartscope.study._context import Context

TABLE = "tables/ligrec_candidates.csv"
SAMPLES = "tables/samples.csv"


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return a row per published number; the range is the tolerance around it."""
    table = ctx.read_table(TABLE)
    for column, values in evidence.where.items():
        table = table[table[column].isin(values)]
    table = table.set_index("contrast")

    def find(contrast: str, name: str) -> list[dict[str, Any]]:
        column = f"n_{name}"
        if contrast not in table.index or column not in table:
            return []
        row = table.loc[contrast]
        if row["reason"] not in {"", NONE}:
            return [{"reason": row["reason"]}]
        entry = " ".join([name, *(v for values in evidence.where.values() for v in values)])
        return [
            {
                "entry": entry,
                "effect": float(row[column]),
                "interval": COUNTED_PAIRS,
                "min_p": row["min_p"],
                "reason": row["reason"],
            }
        ]

    published = {str(name): float(n) for name, n in claim.published.items()}
    named = evidence.model_copy(update={"features": evidence.features or {n: n for n in published}})
    out = rows_by_contrast(ctx, claim, named, find=find)
    tolerance = evidence.tolerance or 0.0
    stated = out["feature"].map(published)
    return out.assign(low=stated * (1 - tolerance), high=stated * (1 + tolerance))


def without(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Score and count again without each patient; who picks the genes stays."""
    samples = ctx.read_table(SAMPLES)
    resolved = ctx.read_table("tables/contrasts.csv").drop_duplicates("contrast")
    resolved = resolved.set_index("contrast")
    for contrast in wanted_entries(pairs):
        known = resolved.loc[contrast]
        if known["status"] != "tested":
            continue
        contrasts = [
            # the others pick genes, but score no pairs
            c if c.id == contrast else c.model_copy(update={"analyses": _without_pairs(c)})
            for c in ctx.manifests.contrasts.contrast
        ]
        patients = f"{known['group_patients']} {known['reference_patients']}".split()
        for patient in patients:
            left = samples[samples["patient"].astype(str) != patient]
            run = InMemory(ctx, tables={SAMPLES: left}, contrasts=contrasts)
            run.run([ligrec.STEP])
            for claim, evidence in pairs:
                if contrast not in evidence.contrasts:
                    continue
                for _, row in rows(run, claim, evidence).iterrows():
                    yield {
                        "contrast": contrast,
                        "entry": row["entry"],
                        "patient_left_out": patient,
                        "effect": row["effect"],
                        "min_p": row["min_p"],
                        "how": "scores, candidates and tests done again; the genes stay",
                        "reason": "" if np.isfinite(row["effect"]) else row["reason"],
                    }


def _without_pairs(contrast: Contrast) -> tuple[str, ...]:
    return tuple(a for a in contrast.analyses if a != ligrec.STEP.name)


EVIDENCE = EvidenceReader(
    table="ligrec_candidates",
    needs=(
        TABLE,
        "tables/contrasts.csv",
        SAMPLES,
        PICKED_FROM,
        cell_artifact("car"),
        cell_artifact("t_subsets"),
    ),
    rows=rows,
    without=without,
    effect="pairs",
)
