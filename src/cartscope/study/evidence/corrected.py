"""CAR-negative shares with missed CAR T cells taken out."""

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
    table="corrected",
    needs=(
        "tables/corrected.csv",
        "tables/corrected_patients.csv",
        "tables/contrasts.csv",
        "tables/samples.csv",
    ),
    rows=fraction_rows,
    without=partial(fractions_without, table="corrected"),
    permuted=partial(fractions_permuted, table="corrected"),
    effect="difference of shares, corrected for missed CAR T cells",
    test=SHARES_TEST,
)
