"""Shares of cells per patient in the cycling table."""

from __future__ import annotations

from cartscope.study._fraction_evidence import fraction_rows
from cartscope.study._model import EvidenceReader

EVIDENCE = EvidenceReader(
    table="cycling",
    needs=("tables/cycling.csv", "tables/contrasts.csv"),
    rows=fraction_rows,
    effect="difference of shares",
)
