"""Every AnnData slot that cartscope reads or writes, in one place."""

from __future__ import annotations

from typing import Final


class obs:  # noqa: N801  (reads as adata.obs)
    """Columns of ``adata.obs``."""

    # given by the cohort, one value per sample
    sample: Final = "sample"
    patient: Final = "patient"
    study: Final = "study"
    channel: Final = "channel"
    pool: Final = "pool"
    timepoint: Final = "timepoint"
    day: Final = "day"
    sorted: Final = "sorted"
    product: Final = "product"
    anakinra: Final = "anakinra"
    crs_grade: Final = "crs_grade"
    nt_grade: Final = "nt_grade"
    response: Final = "response"
    sex: Final = "sex"
    sex_inferred: Final = "sex_inferred"
    tocilizumab_before_sample: Final = "tocilizumab_before_sample"
    steroid_before_sample: Final = "steroid_before_sample"
    # QC, scanpy's names where scanpy has one
    total_counts: Final = "total_counts"
    n_genes: Final = "n_genes_by_counts"
    pct_mito: Final = "pct_counts_mt"
    hbb: Final = "hbb_log1p"
    qc_pass: Final = "qc_pass"
    qc_reason: Final = "qc_reason"
    doublet_score: Final = "doublet_score"
    predicted_doublet: Final = "predicted_doublet"
    # identity
    leiden: Final = "leiden"
    cell_type: Final = "cell_type"
    cell_type_score: Final = "cell_type_score"
    cell_type_margin: Final = "cell_type_margin"
    t_lineage: Final = "t_lineage"
    t_subset: Final = "t_subset"
    car_counts: Final = "car_counts"
    car_status: Final = "car_status"
    car_probability: Final = "car_probability"
    car_found: Final = "car_found"
    car_detection: Final = "car_detection"
    car_detection_se: Final = "car_detection_se"
    s_score: Final = "S_score"
    g2m_score: Final = "G2M_score"
    phase: Final = "phase"
    cycling: Final = "cycling"
    # pseudobulk rows
    n_cells: Final = "n_cells"


class var:  # noqa: N801
    """Columns of ``adata.var``; the index is the gene symbol, made unique."""

    ensembl_id: Final = "ensembl_id"
    symbol: Final = "symbol"
    feature_type: Final = "feature_type"
    n_cells: Final = "n_cells_by_counts"
    means: Final = "means"
    dispersions_norm: Final = "dispersions_norm"
    highly_variable: Final = "highly_variable"
    n_batches: Final = "highly_variable_nbatches"
    clustering_excluded: Final = "clustering_excluded"
    above_cpm: Final = "above_cpm"  # of profiles: the published gene filter, on the whole table


class layers:  # noqa: N801
    """Keys of ``adata.layers``."""

    counts: Final = "counts"
    true_log2: Final = "true_log2"  # planted log2 effects of simulated pseudobulk


class obsm:  # noqa: N801
    """Keys of ``adata.obsm``."""

    pca: Final = "X_pca"
    harmony: Final = "X_pca_harmony"
    umap: Final = "X_umap"
    car: Final = "car_counts"


class varm:  # noqa: N801
    """Keys of ``adata.varm``."""

    loadings: Final = "PCs"


class obsp:  # noqa: N801
    """Keys of ``adata.obsp``."""

    distances: Final = "distances"
    connectivities: Final = "connectivities"


class uns:  # noqa: N801
    """Keys of ``adata.uns``; ours is one mapping, scanpy's own keys stay as they are."""

    cartscope: Final = "cartscope"
    neighbors: Final = "neighbors"
    log1p: Final = "log1p"
    hvg: Final = "hvg"
    pca: Final = "pca"
    # entries of uns["cartscope"]
    simulated: Final = "simulated"
    car_features: Final = "car_features"
    car_features_by_sample: Final = "car_features_by_sample"
    ingest: Final = "ingest"


class timepoints:  # noqa: N801
    """Values of ``obs["timepoint"]`` in this study; other cohorts may have others."""

    infusion_product: Final = "infusion_product"
    baseline: Final = "baseline"
    day7: Final = "day7"


class car:  # noqa: N801
    """Values of ``obs["car_status"]``."""

    positive: Final = "positive"
    negative: Final = "negative"
    unknown: Final = "unknown"


UNASSIGNED: Final = "unassigned"
GENE_EXPRESSION: Final = "Gene Expression"
