"""The ledger's verdicts, spelt once."""

from __future__ import annotations

from typing import Final

# on real data
REPRODUCED: Final = "reproduced"
DIRECTION_ONLY: Final = "direction only"
NOT_REPRODUCED: Final = "not reproduced"
UNINFORMATIVE: Final = "uninformative"
CONSISTENT_WITH_NONE: Final = "consistent with none"
NOT_ATTAINABLE: Final = "not attainable"
INCONSISTENT: Final = "inconsistent in the source"
NOT_TESTABLE: Final = "not testable"
# on simulated data, against the planted truth
RECOVERED: Final = "recovered"
MISSED: Final = "missed"
FALSE_CALL: Final = "false call"
CORRECTLY_NONE: Final = "correctly none"

ON_REAL: Final = (
    REPRODUCED,
    DIRECTION_ONLY,
    NOT_REPRODUCED,
    UNINFORMATIVE,
    CONSISTENT_WITH_NONE,
    NOT_ATTAINABLE,
    INCONSISTENT,
    NOT_TESTABLE,
)
ON_SIMULATED: Final = (RECOVERED, MISSED, FALSE_CALL, CORRECTLY_NONE, NOT_TESTABLE)
