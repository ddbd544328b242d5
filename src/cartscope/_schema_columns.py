"""What a table's contract is, and the columns that many tables share; import from ``_schema``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cartscope._errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

TEXT: Final = "text"
NUMBER: Final = "number"
INTEGER: Final = "integer"
TRUTH: Final = "truth"

_EMPTY: Final = {TEXT: "", NUMBER: np.nan, INTEGER: 0, TRUTH: False}
_DTYPE: Final = {TEXT: object, NUMBER: np.float64, INTEGER: np.int64, TRUTH: bool}


@dataclass(frozen=True)
class Schema:
    """Names, kinds and meaning of a table's columns, in order.

    Further columns may follow the ones named here; ``optional`` ones may be absent.
    """

    name: str
    columns: dict[str, tuple[str, str]]  # column -> (kind, meaning and unit)
    optional: frozenset[str] = frozenset()

    def check(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with schema columns first and of the right kind, or raise SchemaError.

        Parameters
        ----------
        table
            Left as it is; the result is a new table.
        """
        missing = [c for c in self.columns if c not in table and c not in self.optional]
        if missing:
            msg = f"{self.name}: missing columns {missing}; found {list(table.columns)}."
            raise SchemaError(msg)
        present = [c for c in self.columns if c in table]
        out = table[present + [c for c in table.columns if c not in self.columns]].copy()
        for column in present:
            kind = self.columns[column][0]
            try:
                if kind == TEXT:
                    # a CSV cannot tell "" from missing, so text has one spelling of both
                    out[column] = out[column].astype(object).where(out[column].notna(), "")
                    out[column] = out[column].astype(str).astype(object)
                else:
                    out[column] = out[column].astype(_DTYPE[kind])
            except (TypeError, ValueError) as error:
                msg = f"{self.name}: column {column!r} must be {kind}: {error}"
                raise SchemaError(msg) from error
        return out

    def empty(self) -> pd.DataFrame:
        """Return a table without rows that passes :meth:`check`."""
        import pandas as pd

        return pd.DataFrame({c: pd.Series(dtype=_DTYPE[kd]) for c, (kd, _) in self.columns.items()})

    def blank(self, **values: object) -> dict[str, object]:
        """Return one row with ``values`` set and everything else empty.

        Parameters
        ----------
        values
            Columns of this schema that are known.
        """
        unknown = set(values) - set(self.columns)
        if unknown:
            msg = f"{self.name}: no such columns {sorted(unknown)}."
            raise SchemaError(msg)
        return {c: values.get(c, _EMPTY[kd]) for c, (kd, _) in self.columns.items()}


OF_CONTRAST = {"contrast": (TEXT, "id in contrasts.toml")}
GROUPS = {
    "n_group": (INTEGER, "patients in the group"),
    "n_reference": (INTEGER, "patients in the reference"),
}
MEDIANS = {
    "median_group": (NUMBER, "median over the group's patients"),
    "median_reference": (NUMBER, "median over the reference's patients"),
}
P_VALUES = {
    "p_value": (NUMBER, "two-sided, unadjusted"),
    "fdr": (NUMBER, "Benjamini-Hochberg within the family"),
}
REASON = {"reason": (TEXT, "why there is no result; empty where there is one")}
FAMILY = {
    "family_size": (INTEGER, "tests that fdr corrects for"),
    "min_p": (NUMBER, "smallest p these group sizes can give; nan where there is no floor"),
}
# of tests that may compare patients within strata; tables made elsewhere may lack them
STRATA = {
    "superiority": (
        NUMBER,
        "share of pairs of patients, of one stratum if there are, in which the group's is higher",
    ),
    "within": (TEXT, "what patients are compared within, study say; empty: all with all"),
    "n_alone": (
        INTEGER,
        "patients whose stratum has nobody of the other group: not compared, not in n",
    ),
}
