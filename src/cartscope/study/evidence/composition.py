"""Shares of cells per patient in the composition table."""

from __future__ import annotations

from cartscope.study._fraction_evidence import fraction_rows
from cartscope.study._model import EvidenceReader

EVIDENCE = EvidenceReader(
    table="composition",
    needs=("tables/composition.csv", "tables/contrasts.csv"),
    rows=fraction_rows,
    effect="difference of shares",
)
