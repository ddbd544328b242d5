"""Which model each contrast is tested on: one shared by several contrasts, or its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pp, tl
from cartscope._errors import CartscopeError
from cartscope.study.comparisons._groups import GROUP, REFERENCE, is_blank, split
from cartscope.study.comparisons._pseudobulk import populations_for_de, pseudobulk_artifact
from cartscope.study.steps._profiles import rows_of, too_few

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Contrast, Fit
    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split

_CELL = "cell"
# ratio of two arms' dispersions from which one dispersion for both is given up: 0.93-1.12 was seen
# in cohorts without a difference, 2.2 takes P(p < 0.05) in the more variable arm from 0.05 to 0.09
_APART = 1.5


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A contrast as it is asked of its model; ``note`` says why it is not on its shared fit."""

    split: Split
    term: tuple[object, ...] | str
    note: str = ""


@dataclass(kw_only=True)
class Model:
    """One fit: its profiles, with the side of each in ``obs["group"]``, and what is tested on it.

    ``cells`` is the obs column of the groups that the gene filter looks at: every combination that
    a contrast of the model compares. ``note`` says who was left out, ``apart`` that its arms vary
    too differently for one dispersion. ``fitted`` is a DESeq2 fit of it, where one was made:
    by the plan, of the genes that the filter by expression keeps, to see that, or by who tests it.
    """

    name: str
    design: str
    rows: AnnData
    cells: str
    note: str = ""
    tested: list[Tested] = field(default_factory=list)
    apart: str = ""
    fitted: tl.DifferentialExpressionFit | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every model, and the contrasts that have too few profiles, with the reason."""

    splits: tuple[Split, ...]
    models: tuple[Model, ...]
    untested: tuple[tuple[str, str], ...]


def plan_models(ctx: Context) -> Plan:
    """Place every de contrast on a model.

    A contrast that names a fit is tested on it, unless the cohort at hand cannot carry its design
    (a single arm, a column that is not there), or one arm varies so much more than the other that
    one dispersion for both would make p-values within it too small: then on its own patients, by
    its own design.

    Parameters
    ----------
    ctx
        The run.
    """
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    min_cells = ctx.preset.values("pseudobulk")["min_cells"]
    splits = tuple(split(c, manifest, samples) for c in manifest.by_analysis("de"))
    profiles = {
        name: anndata.read_h5ad(ctx.path(pseudobulk_artifact(name)))
        for name in populations_for_de(manifest)
    }
    shared: dict[str, Model | str] = {}
    models: list[Model] = []
    untested = []
    for s in splits:
        c = s.contrast
        if s.reason:
            continue
        rows = rows_of(profiles[c.population], s)
        reason = too_few(rows, min_cells)
        if reason:
            untested.append((c.id, reason))
            continue
        note = ""
        if c.fit:
            if c.fit not in shared:
                fit = manifest.fit[c.fit]
                whole = rows_of(profiles[c.population], split(fit, manifest, samples))
                users = [o for o in manifest.contrast if o.fit == c.fit]
                shared[c.fit] = _shared_model(c.fit, fit, whole, users=users)
            model = shared[c.fit]
            why = model if isinstance(model, str) else _why_not(model, c)
            if isinstance(model, Model) and not why:
                if not model.tested:
                    models.append(model)
                model.tested.append(Tested(split=s, term=_term(c, model.rows.obs)))
                continue
            note = f"not on fit {c.fit}: {why}"
        design, left = carried(str(c.design), rows.obs)
        rows = rows[_known(design, rows.obs)].copy()
        reason = _absent(design, profiles[c.population].obs) or too_few(rows, min_cells)
        if reason:
            untested.append((c.id, reason))
            continue
        own = Model(name=c.id, design=design, rows=rows, cells=GROUP, note=left)
        own.tested.append(Tested(split=s, term=_own_term(c), note=note))
        models.append(own)
    return Plan(splits=splits, models=tuple(models), untested=tuple(untested))


def _shared_model(name: str, fit: Fit, rows: AnnData, *, users: list[Contrast]) -> Model | str:
    """Return the model of a fit on the profiles that have what its design asks, or why not."""
    design, note = carried(fit.design, rows.obs)
    needed = _columns(design)
    absent = _absent(design, rows.obs)
    if absent:
        return absent
    known = _known(design, rows.obs)
    left = sorted(set(rows.obs.loc[~known, k.obs.patient].astype(str)))
    if left:
        note = "; ".join(
            n for n in (note, f"{' or '.join(needed)} unknown: {', '.join(left)}") if n
        )
    rows = rows[known].copy()
    for column in needed:
        if pd.api.types.is_bool_dtype(rows.obs[column]) or not pd.api.types.is_numeric_dtype(
            rows.obs[column]
        ):
            rows.obs[column] = rows.obs[column].astype(str)
        if rows.obs[column].nunique() < 2:  # noqa: PLR2004  (a factor needs two levels)
            return f"{column} is the same in every patient"
    arms = list(dict.fromkeys(v for c in users for v in (*c.at, c.interaction) if v))
    parts = [rows.obs[v].astype(str) for v in (*arms, GROUP)]
    rows.obs[_CELL] = parts[0].str.cat(parts[1:], sep=" ")
    model = Model(name=name, design=design, rows=rows, cells=_CELL, note=note)
    try:
        passed = rows[:, pp.filter_genes(rows, group=_CELL).to_numpy()].copy()
        model.fitted = tl.fit_differential_expression(passed, design=design)
    except CartscopeError:  # whoever tests on it will say what is wrong
        return model
    multiples = [tl.dispersion_by_group(model.fitted, v) for v in arms]
    told = [m for m in multiples if m.max() > _APART * m.min()]
    model.apart = "; ".join(
        "dispersions differ: "
        + ", ".join(f"{m.name}={level} {value / m.min():.1f}" for level, value in m.items())
        + " times the smallest"
        for m in told
    )
    return model


def carried(design: str, obs: pd.DataFrame) -> tuple[str, str]:
    """Return a design without the covariates that these profiles do not have or do not vary in.

    Parameters
    ----------
    design
        Formula; a covariate is a term of its own, ``"+ study"``.
    obs
        Of the profiles.

    Returns
    -------
    The formula and what was left out.
    """
    left, *terms = (t.strip() for t in design.lstrip("~ ").split("+"))
    kept, dropped = [left], []
    for term in terms:
        plain = re.fullmatch(r"\w+", term) is not None and term != GROUP
        values = obs[term][~is_blank(obs[term])] if term in obs else pd.Series(dtype=object)
        (dropped if plain and values.nunique() < 2 else kept).append(term)  # noqa: PLR2004
    note = f"without {', '.join(dropped)}: not known, or the same in every profile"
    return "~ " + " + ".join(kept), note if dropped else ""


def _columns(design: str) -> list[str]:
    return [v for v in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", design)) if v != GROUP]


def _absent(design: str, obs: pd.DataFrame) -> str:
    """Return which columns of a design no profile has; empty if there is none."""
    absent = [v for v in _columns(design) if v not in obs or is_blank(obs[v]).all()]
    return f"no sample has {' and '.join(absent)}" if absent else ""


def _known(design: str, obs: pd.DataFrame) -> np.ndarray:
    """Return which profiles have all that a design asks of them."""
    unknown = [is_blank(obs[v]) for v in _columns(design) if v in obs]
    return ~np.any([np.zeros(len(obs), bool), *unknown], axis=0)


def _why_not(model: Model, c: Contrast) -> str:
    if c.at and model.apart:
        return model.apart
    term = _term(c, model.rows.obs)
    report = tl.estimability(model.rows.obs, design=model.design, contrast=term)
    return "" if report.estimable else report.reason


def _term(c: Contrast, obs: pd.DataFrame) -> tuple[object, ...] | str:
    if c.interaction:
        return f"{c.interaction}:{GROUP}"
    at = {variable: _spelled(obs[variable], value) for variable, value in c.at.items()}
    return (GROUP, GROUP, REFERENCE, at)


def _own_term(c: Contrast) -> tuple[object, ...] | str:
    return f"{c.interaction}:{GROUP}" if c.interaction else (GROUP, GROUP, REFERENCE)


def _spelled(column: pd.Series, value: object) -> object:
    """Return a level as the table spells it: truth is True, true or TRUE there."""
    wanted = str(value).lower()
    return next((v for v in column.astype(str) if v.lower() == wanted), value)
