"""Shares of cells per patient in the cycling table."""

from __future__ import annotations

from functools import partial

from cartscope.study._model import EvidenceReader
from cartscope.study.evidence._fractions import (
    SHARES_TEST,
    fraction_rows,
    fractions_permuted,
    fractions_without,
)

EVIDENCE = EvidenceReader(
    table="cycling",
    needs=(
        "tables/cycling.csv",
        "tables/cycling_patients.csv",
        "tables/contrasts.csv",
        "tables/samples.csv",
    ),
    rows=fraction_rows,
    without=partial(fractions_without, table="cycling"),
    permuted=partial(fractions_permuted, table="cycling"),
    effect="difference of shares",
    test=SHARES_TEST,
)
