"""CAR-negative shares with missed CAR T cells taken out."""

from __future__ import annotations

from cartscope.study._fraction_evidence import fraction_rows
from cartscope.study._model import EvidenceReader

EVIDENCE = EvidenceReader(
    table="corrected",
    needs=("tables/corrected.csv", "tables/contrasts.csv"),
    rows=fraction_rows,
    effect="difference of shares, corrected for missed CAR T cells",
)
