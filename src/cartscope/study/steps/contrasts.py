"""Who is compared with whom, contrast by contrast, before anything is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope._schema import CONTRASTS
from cartscope.study._model import Step
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Write one row per contrast and analysis."""
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    rows = []
    for contrast in manifest.contrast:
        s = split(contrast, manifest, samples)
        group, reference = s.members(GROUP), s.members(REFERENCE)
        reason = s.reason
        rows += [
            CONTRASTS.blank(
                contrast=contrast.id,
                analysis=analysis,
                population=" ".join(contrast.uses()),
                n_group=len(group),
                n_reference=len(reference),
                group_patients=" ".join(group),
                reference_patients=" ".join(reference),
                status="not testable" if reason else "tested",
                reason=reason,
            )
            for analysis in contrast.analyses
        ]
    ctx.write_table("tables/contrasts.csv", pd.DataFrame(rows))


STEP = Step(
    name="contrasts",
    title="Resolve who is compared with whom",
    needs=("tables/samples.csv",),
    makes=("tables/contrasts.csv",),
    manifests=("contrasts.toml",),
    run=run,
)
