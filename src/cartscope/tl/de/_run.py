"""The one door to every engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope._check import one_of, raw_counts
from cartscope._errors import EstimabilityError, InputError
from cartscope._schema import DE
from cartscope.tl.de._contrast import resolve_contrast
from cartscope.tl.de._design import build_design
from cartscope.tl.de._engines import DE_ENGINES
from cartscope.tl.de._estimability import estimability, examine, refusal
from cartscope.tl.de._method import CountTable, FittedContrast
from cartscope.tl.de._rank_deficiency import reduce_columns

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.tl.de._contrast import Contrast, ResolvedContrast
    from cartscope.tl.de._design import Design
    from cartscope.tl.de._method import Engine
    from cartscope.tl.de._rank_deficiency import Reduction

_log = logging.getLogger(__name__)
_MOST_SAMPLES = 5000


@dataclass(frozen=True)
class DifferentialExpressionFit:
    """One fit, on which any number of contrasts can be tested.

    ``state`` is what the engine fitted on the design's independent columns, named in ``columns``.
    """

    engine: Engine
    design: Design
    genes: pd.Index
    options: Any
    state: Any
    reduction: Reduction

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients that were fitted."""
        return tuple(self.design.names[i] for i in self.reduction.kept)

    def test(self, contrast: Contrast, *, name: str | None = None) -> pd.DataFrame:
        """Test one contrast.

        Parameters
        ----------
        contrast
            ``(factor, level, reference)``, the same with ``{variable: level}`` for the effect
            within an arm, a coefficient's name, or a vector over the design's columns.
        name
            What the column ``contrast`` says; by default the plain name of the comparison.

        Returns
        -------
        A table with the columns of ``cartscope._schema.DE``, one row per gene in the order given.

        Raises
        ------
        EstimabilityError
            The design cannot estimate the contrast; the report is in ``error.report``.
        """
        resolved, fitted = self.resolve(contrast)
        made = self.engine.test(self.state, fitted, self.options)
        made.insert(0, "contrast", name or resolved.name)
        made.insert(1, "gene", [str(g) for g in self.genes])
        return DE.check(made)

    def resolve(self, contrast: Contrast) -> tuple[ResolvedContrast, FittedContrast]:
        """Return a contrast by name and over the fitted columns, or refuse it.

        Parameters
        ----------
        contrast
            As in :meth:`test`.
        """
        resolved = resolve_contrast(self.design, contrast)
        _refuse(self.design, self.reduction, contrast, resolved=resolved)
        vector = self.reduction.contrast(resolved.vector)
        if vector is None:  # _refuse has said why
            raise EstimabilityError(resolved.name)
        samples = None
        if resolved.factor in self.design.factors:
            levels = [resolved.level, resolved.reference]
            samples = self.design.frame[resolved.factor].isin(levels).to_numpy()
            samples &= self.design.standing_at(resolved.at)
        return resolved, FittedContrast(vector, samples)


def fit_differential_expression(
    pdata: AnnData,
    *,
    design: str = "~ donor + condition",
    engine: str = "deseq2",
    n_jobs: int = 1,
    **options: object,
) -> DifferentialExpressionFit:
    """Fit the model of one population once, to test many contrasts on it.

    Columns of the design that others already make up are left out and named in the log; contrasts
    that need them are refused when they are tested.

    Parameters
    ----------
    pdata
        Samples x genes (pseudobulk) with raw counts in ``layers["counts"]`` or ``X``, dense or
        sparse; left as it is.
    design
        Formula over columns of ``pdata.obs``; text, categories and true/false are factors.
    engine
        A name in ``DE_ENGINES``.
    n_jobs
        Threads.
    options
        Options of the engine, see :func:`differential_expression`.

    Returns
    -------
    The fit; ``fit.test(contrast)`` gives the table of a contrast.

    Raises
    ------
    EstimabilityError
        The design leaves no variation between samples; the report is in ``error.report``.
    InputError
        A column, an option or the counts cannot be used.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> from cartscope.tl import fit_differential_expression
    >>> counts = np.random.default_rng(0).poisson(20, (8, 50))
    >>> obs = pd.DataFrame({"group": list("aaaabbbb")}, index=[f"p{i}" for i in range(8)])
    >>> fit = fit_differential_expression(ad.AnnData(counts, obs=obs), design="~ group")
    >>> fit.test(("group", "b", "a")).shape
    (50, 10)
    """
    chosen = DE_ENGINES[one_of(engine, list(DE_ENGINES), name="engine")]
    known = [f.name for f in fields(chosen.options) if f.name != "n_jobs"]
    for option in options:
        one_of(option, known, name=f"an option of engine {engine!r}")
    settings = chosen.options(n_jobs=n_jobs, **options)
    try:
        made = build_design(pdata.obs, design)
    except EstimabilityError as error:
        raise EstimabilityError(str(error), estimability(pdata.obs, design=design)) from error
    reduction = reduce_columns(made.matrix)
    _refuse(made, reduction, None, resolved=None)
    if reduction.kept.size < len(made.names):
        left_out = [n for i, n in enumerate(made.names) if i not in reduction.kept]
        _log.warning("design %r: %s are made up of other terms and left out", design, left_out)
    table = count_table(pdata)
    state = chosen.fit(table, np.ascontiguousarray(made.matrix[:, reduction.kept]), settings)
    return DifferentialExpressionFit(chosen, made, table.genes, settings, state, reduction)


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

    Every gene given is tested; nothing is filtered or shrunk beforehand. To test several contrasts
    on one fit use :func:`fit_differential_expression`.

    Parameters
    ----------
    pdata
        Samples x genes (pseudobulk) with raw counts in ``layers["counts"]`` or ``X``, dense or
        sparse, integers of any type; left as it is.
    design
        Formula over columns of ``pdata.obs``; text, categories and true/false are factors whose
        first level is the reference, everything else is a number.
    contrast
        ``(factor, level, reference)``: the log2 fold change of level over reference, with the other
        variables at their reference, or where a fourth entry puts them, ``{"anakinra": True}`` for
        the effect within an arm; a coefficient's name, ``"anakinra:group"`` say, for an
        interaction; or a vector over the design's columns.
    engine
        ``"deseq2"``, ``"quasi_likelihood"`` (tails that hold with few samples), ``"limma_voom"`` or
        ``"wilcoxon"``; see ``DE_ENGINES``.
    name
        What the column ``contrast`` says; by default the plain name of the comparison.
    n_jobs
        Threads.
    options
        ``deseq2``: ``r_faithful`` (True: the steps of R's DESeq2, whose standard errors 99 genes in
        100 reach to within 1%: dispersions are at their maximum here; False: as PyDESeq2 ships
        it), ``alpha`` (0.1, what independent filtering aims at), ``cooks`` (True: replace and set
        aside count outliers), ``independent_filtering`` (True), ``size_factors`` ("ratio" or
        "poscounts").
        ``quasi_likelihood``: ``robust`` (True: a gene far more variable than the others is held by
        its own variance), ``cooks`` (True: set aside genes that one count decides),
        ``independent_filtering`` (False: with it, called genes are false more often than the level
        says), ``alpha`` and ``size_factors`` as above.
        ``limma_voom``: ``block`` (column of obs whose samples are correlated, a patient's say),
        ``r_faithful`` (True: R's documented approximation where a contrast combines coefficients).
        ``wilcoxon``: ``block`` (pairs, for the signed-rank test).

    Returns
    -------
    A table with the columns of ``cartscope._schema.DE``, one row per gene in the order given;
    log2_fc is the maximum likelihood estimate (deseq2, quasi_likelihood), the coefficient
    (limma_voom) or the Hodges-Lehmann shift of log2(counts per million + 1) (wilcoxon; stat is U
    less its mean).
    ``reason`` says why a value is missing.

    Raises
    ------
    EstimabilityError
        The design cannot estimate the contrast; the report is in ``error.report``.
    InputError
        A column, an option or the counts cannot be used.

    References
    ----------
    Love et al. 2014, :doi:`10.1186/s13059-014-0550-8`; Muzellec et al. 2023,
    :doi:`10.1093/bioinformatics/btad547`; Lund et al. 2012, :doi:`10.1515/1544-6115.1826`; Smyth
    2004, :doi:`10.2202/1544-6115.1027`; Law et al. 2014, :doi:`10.1186/gb-2014-15-2-r29`.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> from cartscope.tl import differential_expression
    >>> counts = np.random.default_rng(0).poisson(20, (8, 50))
    >>> counts[4:, 0] *= 8
    >>> obs = pd.DataFrame({"group": list("aaaabbbb")}, index=[f"p{i}" for i in range(8)])
    >>> table = differential_expression(
    ...     ad.AnnData(counts, obs=obs), design="~ group", contrast=("group", "b", "a"))
    >>> table.loc[table["fdr"] < 0.05, "gene"].tolist()
    ['0']
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
        np.array(dense, dtype=np.float64, order="C"),
        pdata.obs_names.astype(str),
        pdata.var_names,
        pdata.obs,
    )


def _refuse(
    design: Design,
    reduction: Reduction,
    contrast: Contrast | None,
    *,
    resolved: ResolvedContrast | None,
) -> None:
    reason = refusal(design, resolved, reduction)
    if reason:
        people = pd.Series(design.frame.index, index=design.frame.index).astype(str)
        further = pd.DataFrame(index=design.frame.index)
        report = examine(design, contrast, people=people, further=further)
        msg = f"design {design.formula!r}: {reason}."
        raise EstimabilityError(msg, report)
