"""The thresholds of an analysis, each with its source: ``params/*.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from cartscope.manifest._base import Model, load_toml

V = TypeVar("V")


class Sourced(Model, Generic[V]):
    """A value with where it comes from."""

    value: V
    source: str = Field(min_length=3)


class Qc(Model):
    """Limits on cells and genes."""

    min_genes: Sourced[int]
    max_pct_mito: Sourced[float]
    max_hbb: Sourced[float]
    min_cells_per_gene: Sourced[int]
    mad: Sourced[float]
    doublets: Sourced[bool]
    doublet_key: Sourced[str]


class Genes(Model):
    """Genes the embedding rests on."""

    n_top: Sourced[int]
    method: Sourced[Literal["seurat", "published"]]


class Embedding(Model):
    """PCA, Harmony, neighbours, UMAP, Leiden."""

    n_comps: Sourced[int]
    n_comps_used: Sourced[int]
    regress: Sourced[tuple[str, ...]]
    scale_max: Sourced[float]
    batch_key: Sourced[str]
    lamb: Sourced[float]
    n_neighbors: Sourced[int]
    resolution: Sourced[float]


class Cells(Model):
    """Which rule names a cell."""

    annotation: Sourced[Literal["published", "recommended"]]
    t_subsets: Sourced[Literal["published", "recommended"]]
    car: Sourced[Literal["published", "recommended"]]
    cell_cycle: Sourced[Literal["published", "recommended"]]


class Pseudobulk(Model):
    """Sums per patient and population."""

    min_cells: Sourced[int]
    gene_filter: Sourced[Literal["cpm", "by_expression"]]


class De(Model):
    """Differential expression."""

    engine: Sourced[Literal["quasi_likelihood", "deseq2", "limma_voom"]]
    covariates: Sourced[tuple[Literal["sex_inferred"], ...]]
    alpha: Sourced[float]


class Gsea(Model):
    """Gene-set enrichment."""

    min_size: Sourced[int]
    max_size: Sourced[int]
    collections: Sourced[tuple[str, ...]]


class BetweenPatients(Model):
    """Tests of one value per patient."""

    within_strata: Sourced[bool]


class Composition(Model):
    """Shares of cells."""

    min_cells: Sourced[int]


class Cycling(Model):
    """Shares of cycling cells."""

    min_cells: Sourced[int]


class Ligrec(Model):
    """Ligand-receptor scores."""

    score: Sourced[Literal["product", "geometric_mean", "mean"]]
    candidates: Sourced[Literal["expression", "de"]]
    min_cells: Sourced[int]
    min_fraction: Sourced[float]


class Preset(Model):
    """One way to analyse the study, every threshold with its source."""

    name: str
    title: str
    qc: Qc
    genes: Genes
    embedding: Embedding
    cells: Cells
    pseudobulk: Pseudobulk
    de: De
    gsea: Gsea
    between_patients: BetweenPatients
    composition: Composition
    cycling: Cycling
    ligrec: Ligrec

    def values(self, section: str) -> dict[str, Any]:
        """Return one section's values without their sources.

        Parameters
        ----------
        section
            Field of the preset, for instance ``"qc"``.
        """
        part = getattr(self, section)
        return {name: getattr(part, name).value for name in type(part).model_fields}


def read_preset(path: Path | str) -> Preset:
    """Read a preset such as ``params/recommended.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The preset.

    Raises
    ------
    ManifestError
        If a threshold is missing, unknown or without a source.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_preset
    >>> read_preset(manifest_dir() / "params" / "published.toml").values("qc")["min_genes"]
    200
    """
    return load_toml(path, Preset)
