"""Simulated studies in GEO's own layout, with the truth about every cell."""

from __future__ import annotations

from cartscope.simulate._simulate import grades_table, simulate

__all__ = ["simulate", "grades_table"]
