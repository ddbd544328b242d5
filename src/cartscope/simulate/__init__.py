"""Simulated studies in GEO's own layout, with the truth about every cell."""

from __future__ import annotations

from cartscope.simulate._adata import simulate_adata
from cartscope.simulate._pseudobulk import simulate_pseudobulk
from cartscope.simulate._simulate import simulate
from cartscope.simulate._tables import grades_table

__all__ = ["simulate", "simulate_adata", "simulate_pseudobulk", "grades_table"]
