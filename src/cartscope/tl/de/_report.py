"""The report on what a design can estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EstimabilityReport:
    """Answer of :func:`estimability`.

    ``table`` has one row per design cell, coefficient, contrast and confounded term; ``weights``
    one row per sample with its weight in each coefficient and in the contrast (0: does not matter).
    """

    design: str
    contrast: str
    estimable: bool
    reason: str
    table: pd.DataFrame
    weights: pd.DataFrame

    @property
    def not_separable(self) -> list[str]:
        """Terms that the contrast cannot be told apart from."""
        return list(self.table.loc[self.table["kind"] == "not separable", "name"])

    @property
    def message(self) -> str:
        """The report as text."""
        verdict = "can be estimated" if self.estimable else f"cannot be estimated: {self.reason}"
        about = f"contrast {self.contrast!r}" if self.contrast else "no contrast was asked about"
        lines = [f"design {self.design!r}, {about}"]
        if self.contrast or not self.estimable:
            lines.append(f"  {verdict}")
        for row in self.table.itertuples():
            count = f"{row.n_patients} patients: {row.patients}" if row.n_patients > 0 else ""
            parts = [p for p in (count, row.note) if p]
            lines.append(f"  {row.kind}: {row.name} [{'; '.join(parts)}]")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.message
