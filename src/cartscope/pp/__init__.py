"""From counts to an embedding and to pseudobulk sums; knows no file, figure or study."""

from cartscope.pp._ambient import ambient
from cartscope.pp._doublets import doublets
from cartscope.pp._filter_genes import filter_genes
from cartscope.pp._harmony import harmony
from cartscope.pp._infer_sex import infer_sex
from cartscope.pp._integration import integration_report
from cartscope.pp._neighbors import neighbors
from cartscope.pp._normalize import normalize
from cartscope.pp._pca import pca
from cartscope.pp._pseudobulk import pseudobulk
from cartscope.pp._qc import qc
from cartscope.pp._qc_table import dropped_table, kept_cells, qc_table
from cartscope.pp._umap import umap
from cartscope.pp._variable_genes import variable_genes

__all__ = [
    "qc",
    "qc_table",
    "kept_cells",
    "dropped_table",
    "doublets",
    "ambient",
    "normalize",
    "variable_genes",
    "pca",
    "harmony",
    "integration_report",
    "neighbors",
    "umap",
    "pseudobulk",
    "infer_sex",
    "filter_genes",
]
