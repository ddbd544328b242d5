"""One score per patient, pair of populations and ligand-receptor pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._ligrec_means import group_means, limiting, subunits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData

SCORED: Final = "scored"
ZERO: Final = "zero"
NOT_ESTIMABLE: Final = "not estimable"


@dataclass(frozen=True)
class LigandReceptorScore:
    """A way to join the expression of ligand and receptor."""

    name: str
    describe: str
    function: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _product(ligand: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    return ligand * receptor


def _geometric_mean(ligand: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    return np.sqrt(ligand * receptor)


def _mean(ligand: np.ndarray, receptor: np.ndarray) -> np.ndarray:
    return np.where((ligand == 0) | (receptor == 0), ligand * receptor, (ligand + receptor) / 2)


LIGAND_RECEPTOR_SCORES: Final[dict[str, LigandReceptorScore]] = {
    score.name: score
    for score in (
        LigandReceptorScore("product", "product of the two means", _product),
        LigandReceptorScore("geometric_mean", "square root of the product", _geometric_mean),
        LigandReceptorScore("mean", "mean of the two means, 0 where one is 0", _mean),
    )
}


@dataclass(frozen=True)
class LigandReceptorScores:
    """Scores of every patient, pair, source and target; nothing is left out.

    ``ligand`` and ``receptor`` are patients x populations x pairs: mean log1p expression of the
    limiting subunit, nan where the patient has too few cells of the population or a subunit is
    not among the genes; ``ligand_share`` and ``receptor_share`` the share of cells that have it.
    ``n_cells`` is patients x populations.
    """

    patients: tuple[str, ...]
    populations: tuple[str, ...]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    pairs: pd.DataFrame
    ligand: np.ndarray
    receptor: np.ndarray
    ligand_share: np.ndarray
    receptor_share: np.ndarray
    n_cells: np.ndarray
    score: str
    min_cells: int

    def between(self, source: str, target: str) -> np.ndarray:
        """Return patients x pairs for one ordered pair of populations; nan: not estimable.

        Parameters
        ----------
        source
            Sending population.
        target
            Receiving population.
        """
        function = LIGAND_RECEPTOR_SCORES[self.score].function
        ligand = self.ligand[:, self.populations.index(source)]
        return function(ligand, self.receptor[:, self.populations.index(target)])

    def to_frame(self, pairs: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Return the long table: a row per patient, pair, source and target.

        Parameters
        ----------
        pairs
            (ligand, receptor) pairs wanted; None: all, which can be millions of rows.

        Returns
        -------
        patient, source, target, ligand, receptor, score, status ("scored", "zero", "not
        estimable"), n_source and n_target (cells).
        """
        keep = np.arange(len(self.pairs))
        if pairs is not None:
            wanted = set(pairs)
            have = zip(self.pairs["ligand"], self.pairs["receptor"], strict=True)
            keep = np.array([i for i, pair in enumerate(have) if pair in wanted], dtype=int)
        parts = []
        n_patients, n_pairs = len(self.patients), keep.size
        for source in self.senders:
            for target in self.receivers:
                values = self.between(source, target)[:, keep].ravel()
                columns = {
                    "patient": np.repeat(np.array(self.patients, dtype=object), n_pairs),
                    "source": source,
                    "target": target,
                    "ligand": np.tile(self.pairs["ligand"].to_numpy()[keep], n_patients),
                    "receptor": np.tile(self.pairs["receptor"].to_numpy()[keep], n_patients),
                    "score": values,
                    "status": np.where(
                        np.isnan(values), NOT_ESTIMABLE, np.where(values == 0, ZERO, SCORED)
                    ),
                    "n_source": np.repeat(self._cells(source), n_pairs),
                    "n_target": np.repeat(self._cells(target), n_pairs),
                }
                parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def _cells(self, population: str) -> np.ndarray:
        return self.n_cells[:, self.populations.index(population)]


def ligand_receptor_scores(
    adata: AnnData,
    *,
    groupby: str,
    resource: pd.DataFrame,
    unit: str = k.obs.patient,
    senders: Sequence[str] | None = None,
    receivers: Sequence[str] | None = None,
    score: str = "product",
    min_cells: int = 10,
) -> LigandReceptorScores:
    """Score every ligand-receptor pair between every two populations in every patient.

    Parameters
    ----------
    adata
        Cells with log1p expression in ``X``. Cells without a population or a patient are left out.
    groupby
        obs column with the populations.
    resource
        Pairs: columns ligand and receptor, subunits of a complex joined by "_".
    unit
        obs column that names the patients.
    senders
        Populations that send; None: all.
    receivers
        Populations that receive; None: all.
    score
        ``"product"``, ``"geometric_mean"`` or ``"mean"`` of the mean log1p expression of ligand
        and receptor; a complex counts as its subunit with the lowest mean.
    min_cells
        Cells of a population a patient needs; below that its scores are nan, not 0.

    Returns
    -------
    The scores: 0 where ligand or receptor has no count in the patient's cells, nan where the
    score is not estimable (too few cells, or a gene that is not in ``adata``).

    Raises
    ------
    InputError
        If a population is unknown, or ``resource`` lacks a column.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": "a", "type": ["mono"] * 10 + ["T"] * 10})
    >>> obs.index = obs.index.astype(str)
    >>> x = np.repeat([[2.0, 0.0], [0.0, 3.0]], 10, axis=0)
    >>> cells = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=["CXCL10", "CXCR3"]))
    >>> pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    >>> scores = ligand_receptor_scores(cells, groupby="type", resource=pairs)
    >>> scores.between("mono", "T").tolist(), scores.between("T", "mono").tolist()
    ([[6.0]], [[0.0]])
    """
    _check.one_of(score, tuple(LIGAND_RECEPTOR_SCORES), name="score")
    _check.require_columns(resource, ["ligand", "receptor"], name="resource")
    _check.require(adata, "obs", unit, made_by="your own code: it names the patient of each cell")
    _check.require(adata, "obs", groupby, made_by="cartscope.tl.annotate")
    present = sorted({str(v) for v in adata.obs[groupby].dropna().unique()} - {k.UNASSIGNED})
    chosen_senders = _chosen(senders, present, name="senders")
    chosen_receivers = _chosen(receivers, present, name="receivers")
    populations = tuple(dict.fromkeys([*chosen_senders, *chosen_receivers]))
    patients = tuple(sorted({str(value) for value in adata.obs[unit].dropna().unique()}))
    columns = [c for c in ("ligand", "receptor", "source") if c in resource]
    pairs = resource[columns].drop_duplicates(["ligand", "receptor"]).reset_index(drop=True)
    genes = sorted({g for c in ("ligand", "receptor") for v in pairs[c] for g in subunits(v)})
    means, shares, n_cells = group_means(
        adata, genes, unit=(unit, patients), by=(groupby, populations)
    )
    means[n_cells < min_cells] = np.nan
    shares[n_cells < min_cells] = np.nan
    index = {gene: i for i, gene in enumerate(genes)}
    return LigandReceptorScores(
        patients=patients,
        populations=populations,
        senders=chosen_senders,
        receivers=chosen_receivers,
        pairs=pairs,
        ligand=limiting(means, pairs["ligand"], index),
        receptor=limiting(means, pairs["receptor"], index),
        ligand_share=limiting(shares, pairs["ligand"], index),
        receptor_share=limiting(shares, pairs["receptor"], index),
        n_cells=n_cells,
        score=score,
        min_cells=min_cells,
    )


def _chosen(given: Sequence[str] | None, present: list[str], *, name: str) -> tuple[str, ...]:
    if given is None:
        return tuple(present)
    if isinstance(given, str):
        msg = f"{name} must be a list of populations, but is the string {given!r}."
        raise InputError(msg)
    for population in given:
        _check.one_of(str(population), present, name=name)
    return tuple(dict.fromkeys(str(population) for population in given))
