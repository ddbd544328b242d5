"""The one door to every engine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cartscope._check import one_of, raw_counts
from cartscope._errors import InputError
from cartscope._schema import DE
from cartscope.tl.de._design import build_design, resolve_contrast
from cartscope.tl.de._engines import DE_ENGINES
from cartscope.tl.de._method import CountTable

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from cartscope.tl.de._design import Contrast, Design
    from cartscope.tl.de._method import Engine

_MOST_SAMPLES = 5000


@dataclass(frozen=True)
class DifferentialExpressionFit:
    """One fit, on which any number of contrasts can be tested."""

    engine: Engine
    design: Design
    genes: pd.Index
    options: Any
    state: Any

    def test(self, contrast: Contrast, *, name: str | None = None) -> pd.DataFrame:
        """Test one contrast.

        Parameters
        ----------
        contrast
            ``(factor, level, reference)``, a coefficient's name, or a vector over the design's
            columns.
        name
            What the column ``contrast`` says; by default the plain name of the comparison.

        Returns
        -------
        A table with the columns of ``cartscope._schema.DE``, one row per gene in the order given.
        """
        resolved = resolve_contrast(self.design, contrast)
        made = self.engine.test(self.state, resolved, self.options)
        made = made.reset_index(drop=True)
        made.insert(0, "contrast", name or resolved.name)
        made.insert(1, "gene", [str(g) for g in self.genes])
        return DE.check(made)


def fit_differential_expression(
    pdata: AnnData, *, design: str, engine: str = "deseq2", n_jobs: int = 1, **options: object
) -> DifferentialExpressionFit:
    """Fit the model of one population once, to test many contrasts on it.

    Parameters
    ----------
    pdata
        Samples x genes with raw counts in ``layers["counts"]`` or ``X``; left as it is.
    design
        Formula over columns of ``pdata.obs``.
    engine
        A name in ``DE_ENGINES``.
    n_jobs
        Threads.
    options
        Options of the engine.

    Returns
    -------
    The fit; its method ``test`` gives the table of a contrast.
    """
    chosen = DE_ENGINES[one_of(engine, list(DE_ENGINES), name="engine")]
    known = [f.name for f in fields(chosen.options) if f.name != "n_jobs"]
    for option in options:
        one_of(option, known, name=f"an option of engine {engine!r}")
    settings = chosen.options(n_jobs=n_jobs, **options)
    made = build_design(pdata.obs, design)
    table = count_table(pdata)
    return DifferentialExpressionFit(
        chosen, made, table.genes, settings, chosen.fit(table, made, settings)
    )


def differential_expression(
    pdata: AnnData,
    *,
    design: str = "~ donor + condition",
    contrast: Contrast = ("condition", "stim", "ctrl"),
    engine: str = "deseq2",
    name: str | None = None,
    n_jobs: int = 1,
    **options: object,
) -> pd.DataFrame:
    """Test every gene for one contrast between samples.

    Parameters
    ----------
    pdata
        Samples x genes (pseudobulk) with raw counts in ``layers["counts"]`` or ``X``, dense or
        sparse; left as it is.
    design
        Formula over columns of ``pdata.obs``; text, categories and true/false are factors.
    contrast
        ``(factor, level, reference)``, a coefficient's name, or a vector over the design's
        columns.
    engine
        A name in ``DE_ENGINES``.
    name
        What the column ``contrast`` says; by default the plain name of the comparison.
    n_jobs
        Threads.
    options
        Options of the engine.

    Returns
    -------
    A table with the columns of ``cartscope._schema.DE``, one row per gene in the order given.
    """
    fitted = fit_differential_expression(
        pdata, design=design, engine=engine, n_jobs=n_jobs, **options
    )
    return fitted.test(contrast, name=name)


def count_table(pdata: AnnData) -> CountTable:
    """Return the raw counts of ``pdata`` as samples x genes, checked.

    Parameters
    ----------
    pdata
        Samples x genes.
    """
    if pdata.n_obs > _MOST_SAMPLES:
        msg = (
            f"pdata has {pdata.n_obs} rows, which look like cells; sum them per patient first, "
            "with cs.pp.pseudobulk."
        )
        raise InputError(msg)
    if not pdata.var_names.is_unique:
        twice = pdata.var_names[pdata.var_names.duplicated()][0]
        msg = f"pdata.var_names holds {twice!r} more than once; make the names unique first."
        raise InputError(msg)
    matrix = raw_counts(pdata)
    dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    return CountTable(
        dense.astype(np.float64), pdata.obs_names.astype(str), pdata.var_names, pdata.obs
    )
