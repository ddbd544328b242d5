"""Engine "deseq2": the negative binomial Wald test of DESeq2, on PyDESeq2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope.tl.de._method import CountTable, Engine

if TYPE_CHECKING:
    from cartscope.tl.de._design import Design, ResolvedContrast


@dataclass(frozen=True)
class DeseqOptions:
    """Options of the engine."""

    r_faithful: bool = True
    alpha: float = 0.1
    cooks: bool = True
    independent_filtering: bool = True
    n_jobs: int = 1


def fit(table: CountTable, design: Design, options: DeseqOptions) -> Any:
    """Fit the model once; see :class:`Engine`."""
    from anndata import AnnData
    from pydeseq2.dds import DeseqDataSet

    matrix = pd.DataFrame(design.matrix, index=table.samples, columns=list(design.names))
    adata = AnnData(
        table.counts.astype(np.int64),
        obs=pd.DataFrame(index=table.samples),
        var=pd.DataFrame(index=table.genes),
    )
    dds = DeseqDataSet(
        adata=adata, design=matrix, quiet=True, n_cpus=options.n_jobs, refit_cooks=options.cooks
    )
    dds.deseq2()
    return dds


def test(dds: Any, contrast: ResolvedContrast, options: DeseqOptions) -> pd.DataFrame:
    """Test one contrast on the fit; see :class:`Engine`."""
    from pydeseq2.ds import DeseqStats

    stats = DeseqStats(
        dds,
        contrast=contrast.vector,
        alpha=options.alpha,
        cooks_filter=options.cooks,
        independent_filter=options.independent_filtering,
        quiet=True,
        n_cpus=options.n_jobs,
    )
    stats.summary()
    made = stats.results_df.rename(
        columns={
            "baseMean": "base_mean",
            "log2FoldChange": "log2_fc",
            "lfcSE": "se",
            "pvalue": "p_value",
            "padj": "fdr",
        }
    )
    made["reason"] = ""
    return made


DESEQ2 = Engine(
    "deseq2", fit, test, DeseqOptions, "negative binomial, Wald test", "10.1186/s13059-014-0550-8"
)
