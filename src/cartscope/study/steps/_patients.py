"""Cells of one contrast without their matrix, for tests on shares of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope._schema import PATIENT_SHARES
from cartscope.study.comparisons._groups import GROUP, REFERENCE, in_population

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Population
    from cartscope.study.comparisons._groups import Split

SIDE = "group"


def cells_of(adata: AnnData, s: Split, population: Population | None) -> AnnData:
    """Return the obs of a contrast's cells, with the side of each in ``obs["group"]``.

    Parameters
    ----------
    adata
        The annotated cells; left as they are.
    s
        The contrast's patients.
    population
        Which cells; all of the contrast's samples if None.

    Returns
    -------
    An AnnData of obs alone.
    """
    import anndata

    side = adata.obs[k.obs.sample].astype(str).map(s.side).fillna("")
    chosen = (side != "").to_numpy()
    if population is not None:
        chosen &= in_population(adata.obs, population)
    obs = adata.obs[chosen].copy()
    obs[SIDE] = pd.Categorical(side[chosen])
    return anndata.AnnData(obs=obs)


def lacking(cells: AnnData) -> str:
    """Return why the cells of a contrast cannot be compared; empty if they can.

    Parameters
    ----------
    cells
        From :func:`cells_of`.
    """
    there = set(cells.obs[SIDE].astype(str))
    empty = [side for side in (GROUP, REFERENCE) if side not in there]
    return f"too few cells: none in the {' and the '.join(empty)}" if empty else ""


def patient_shares(
    shares: pd.DataFrame | None = None, cells: AnnData | None = None, *, contrast: str = ""
) -> pd.DataFrame:
    """Return one share per patient with the side of the contrast each patient stands on.

    Parameters
    ----------
    shares
        Follows ``FRACTIONS``; None for the empty table.
    cells
        From :func:`cells_of`.
    contrast
        Its id.
    """
    if shares is None or cells is None:
        return PATIENT_SHARES.empty()
    sides = cells.obs.astype({k.obs.patient: str, SIDE: str}).drop_duplicates(k.obs.patient)
    side = sides.set_index(k.obs.patient)[SIDE]
    table = shares.assign(contrast=contrast, side=shares["sample_or_patient"].map(side))
    return PATIENT_SHARES.check(table.rename(columns={"sample_or_patient": "patient"}))
