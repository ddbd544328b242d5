"""A few simulated libraries in memory, for examples and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.simulate._arguments import strength_of
from cartscope.simulate._design import Library, libraries
from cartscope.simulate._library import simulate_library
from cartscope.simulate._profiles import CAR_FEATURES, reference
from cartscope.simulate._tables import sample_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad

_GIVEN = (
    k.obs.patient, k.obs.study, k.obs.channel, k.obs.pool, k.obs.timepoint, k.obs.day,
    k.obs.sorted, k.obs.product, k.obs.anakinra, k.obs.crs_grade, k.obs.nt_grade, k.obs.sex,
    k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample,
)  # fmt: skip


def simulate_adata(
    sample_ids: Sequence[str] | None = None,
    *,
    cells: int = 300,
    seed: int = 0,
    null: bool = False,
    effect: float = 1.0,
    sound_only: bool = False,
) -> ad.AnnData:
    """Draw some libraries of the simulated study into memory, truth included.

    Parameters
    ----------
    sample_ids
        Which libraries, as in ``truth/samples.csv`` (``"SIM-Anakinra-01-D7"``,
        ``"Patient6-D7-CART"``, ...); by default a product, an unsorted and a CAR-sorted day-7
        library of one patient.
    cells
        Sound cells of each library; doublets and damaged droplets come on top.
    seed
        The same seed gives the same cells.
    null
        Plant no effect.
    effect
        Factor on the strength of every planted effect.
    sound_only
        Leave doublets and damaged droplets out.

    Returns
    -------
    Cells named ``<sample_id>_<barcode>``; ``layers["counts"]`` integer counts and ``X`` log1p of
    10,000-normalised ones on the same sparsity; ``obs`` with what a sample sheet tells and the
    truth as ``true_cell_type``, ``true_t_subset``, ``true_t_lineage``, ``true_car``,
    ``true_phase``, ``true_cycling``, ``true_doublet``, ``true_doublet_kind``, ``true_damage``;
    ``var`` by symbol, with Ensembl id and feature type.

    Raises
    ------
    InputError
        If a library is unknown or ``cells`` is below 1.

    Examples
    --------
    >>> from cartscope.simulate import simulate_adata
    >>> adata = simulate_adata(["Patient6-D7"], cells=50)
    >>> bool(adata.obs["true_car"].any())
    True
    """
    import anndata as ad

    if cells < 1:
        msg = f"cells: {cells} cells cannot be drawn; give 1 or more."
        raise InputError(msg)
    strength = strength_of(effect, null=null)
    blocks, tables = [], []
    for lib in _chosen(sample_ids):
        made = simulate_library(lib, cells, strength=strength, random_state=seed)
        keep = np.ones(len(made.truth), dtype=bool)
        if sound_only:
            keep = (~made.truth["doublet"] & (made.truth["damage"] == "")).to_numpy()
        blocks.append(made.counts[keep])
        tables.append(_obs(lib, made.truth[keep], made.ambient_share))
    counts = sp.csr_matrix(sp.vstack(blocks, format="csr")).astype(np.uint32)
    ref = reference()
    symbols = pd.Series(ref.symbol.astype(str))
    again = symbols.groupby(symbols).cumcount()
    names = np.where(again == 0, symbols, symbols + "-" + again.astype(str))
    var = pd.DataFrame(
        {
            k.var.ensembl_id: ref.gene_id.astype(str),
            k.var.symbol: symbols.to_numpy(),
            k.var.feature_type: k.GENE_EXPRESSION,
        },
        index=pd.Index(names, dtype=object),
    )
    size = np.repeat(np.asarray(counts.sum(1)).ravel(), np.diff(counts.indptr))
    values = np.log1p(counts.data / size * 1e4).astype(np.float32)
    x = sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
    adata = ad.AnnData(x, obs=pd.concat(tables), var=var, layers={k.layers.counts: counts})
    adata.uns[k.uns.cartscope] = {
        k.uns.simulated: True,
        k.uns.car_features: np.array(CAR_FEATURES, dtype=object),
    }
    return adata


def _chosen(sample_ids: Sequence[str] | None) -> list[Library]:
    every = {lib.sample_id: lib for lib in libraries()}
    wanted = sample_ids or ("Patient9-Infusion", "Patient9-D7", "Patient9-D7-CART")
    unknown = [s for s in wanted if s not in every]
    if unknown:
        msg = f"sample_ids: {unknown} are not in the simulated study; it has {list(every)}."
        raise InputError(msg)
    return [every[s] for s in wanted]


def _obs(lib: Library, truth: pd.DataFrame, ambient: float) -> pd.DataFrame:
    row = sample_row(lib, truth, ambient=ambient)
    obs = pd.DataFrame(index=pd.Index(truth["sample_id"] + "_" + truth["barcode"], dtype=object))
    obs[k.obs.sample] = lib.sample_id
    for column in _GIVEN:
        obs[column] = row[column]
    for column in ("cell_type", "t_subset", "t_lineage", "car", "phase", "cycling", "doublet",
                   "doublet_kind", "damage"):  # fmt: skip
        obs[f"true_{column}"] = truth[column].to_numpy()
    return obs
