"""Differential expression between patients, by both presets, fit by fit.

DESeq2 as R has it stands beside them, on the genes and models of the recommended preset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope import pp, tl
from cartscope._errors import EstimabilityError
from cartscope._schema import DE, ENGINE_COMPARISON, FITS, GENE_FILTER
from cartscope.study._model import Step
from cartscope.study._settings import PRESETS
from cartscope.study.comparisons._fits import Model, plan_models
from cartscope.study.comparisons._groups import GROUP
from cartscope.study.steps._rows import not_tested, stack
from cartscope.study.steps.pseudobulk import TABLE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.manifest import Preset
    from cartscope.study._context import Context

_UNKNOWN = "unknown"
_DESEQ2, _QUASI = "deseq2", "quasi_likelihood"
_BESIDE = {"recommended": _DESEQ2}  # what is run beside a preset's own engine
_COMPARED = (("recommended", "published"), ("recommended", _DESEQ2))


def run(ctx: Context) -> None:
    """Test every contrast of contrasts.toml that asks for it, by both presets side by side."""
    plan = plan_models(ctx)
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    filtered: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    for name in PRESETS:
        preset = ctx.manifests.preset(name)
        rule = preset.values("pseudobulk")["gene_filter"]
        untested = {c: not_tested(DE, c, reason=reason) for c, reason in plan.untested}
        made, beside = dict(untested), dict(untested)
        for model in plan.models:
            counted = np.asarray(model.rows.X.sum(axis=0)).ravel() > 0
            tested = kept_genes(model, rule) & counted
            told = {"rule": rule, "n_genes": int(counted.sum()), "n_tested": int(tested.sum())}
            told["n_dropped"] = told["n_genes"] - told["n_tested"]
            rows = model.rows[:, tested].copy()
            if name in _BESIDE:  # first: the preset's engine may rest on its fit
                beside |= test_model(
                    model, rows, preset=preset, n_jobs=ctx.jobs, engine=_BESIDE[name]
                )[0]
            results, described = test_model(model, rows, preset=preset, n_jobs=ctx.jobs)
            made |= results
            about = [{"contrast": c, "preset": name} for c in results]
            filtered += [{**row, **told} for row in about]
            fits += [{**row, **described[row["contrast"]]} for row in about]
        tables[name] = made
        if name in _BESIDE:
            tables[_BESIDE[name]] = beside
    order = [s.contrast.id for s in plan.splits]
    stacked = {
        name: stack(DE, [parts[c] for c in order if c in parts], splits=plan.splits)
        for name, parts in tables.items()
    }
    for name, table in stacked.items():
        ctx.write_table(f"tables/de_{name}.csv", table)
    ctx.write_table("tables/de.csv", stacked[ctx.settings.preset])
    ctx.write_table("tables/engine_comparison.csv", _compare(ctx, stacked))
    ledger = pd.DataFrame(filtered) if filtered else GENE_FILTER.empty()
    ctx.write_table("tables/gene_filter.csv", ledger)
    ctx.write_table("tables/fits.csv", pd.DataFrame(fits) if fits else FITS.empty())


def kept_genes(model: Model, rule: str) -> np.ndarray:
    """Return which genes have enough counts for a model.

    Parameters
    ----------
    model
        Of the plan.
    rule
        Of the preset.
    """
    if rule == "cpm":  # looked at on the whole table, before it was split
        return model.rows.var[k.var.above_cpm].to_numpy(dtype=bool)
    return pp.filter_genes(model.rows, method=rule, group=model.cells).to_numpy()


def test_model(
    model: Model,
    rows: AnnData,
    *,
    preset: Preset,
    n_jobs: int,
    engine: str = "",  # noqa: PT028  (no test of pytest)
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """Test each contrast of one model.

    Parameters
    ----------
    model
        Of the plan.
    rows
        Its profiles, with the genes to test.
    preset
        Names the engine and the covariates.
    n_jobs
        Threads.
    engine
        Another engine than the preset's.

    Returns
    -------
    The table of each contrast, and what the model was.
    """
    p = preset.values("de")
    engine = engine or p["engine"]
    paired = any(t.split.within_patient for t in model.tested)
    design, options = model.design, {}
    if paired and engine == "limma_voom":
        design, options = "~ group", {"block": k.obs.patient}  # as the group did
    design, note = _with_covariates(model, rows, design, covariates=p["covariates"])
    told = {"fit": model.name, "design": design, "n_profiles": rows.n_obs}
    results, described = {}, {}
    fit, refused = None, ""
    try:
        fit = _already(model, rows, design, engine=engine)
        fit = fit or tl.fit_differential_expression(
            rows, design=design, engine=engine, n_jobs=n_jobs, **options
        )
        if fit.engine.name == _DESEQ2:
            model.fitted = fit
    except EstimabilityError as error:
        refused = str(error)
    for t in model.tested:
        c = t.split.contrast
        term = ""
        try:
            if fit is None:
                results[c.id] = not_tested(DE, c.id, reason=f"not estimable: {refused}")
            elif c.interaction and model.name == c.id:
                results[c.id] = tl.interaction_effects(fit, GROUP, c.interaction, name=c.id)
            else:
                results[c.id] = fit.test(t.term, name=c.id)
                term = fit.resolve(t.term)[0].name
        except EstimabilityError as error:
            results[c.id] = not_tested(DE, c.id, reason=f"not estimable: {error}")
        described[c.id] = {
            **told,
            "term": term,
            "caveat": c.caveat,
            "note": "; ".join(n for n in (t.note, model.apart, model.note, note) if n),
        }
    return results, described


def _already(
    model: Model, rows: AnnData, design: str, *, engine: str
) -> tl.DifferentialExpressionFit | None:
    """Return a fit of this model and these genes that rests on one that is there already."""
    made = model.fitted
    if made is None or made.design.formula != design or not made.genes.equals(rows.var_names):
        return None
    if engine == _QUASI:
        return tl.quasi_likelihood_fit(made)
    return made if engine == made.engine.name else None


def _with_covariates(
    model: Model, rows: AnnData, design: str, *, covariates: tuple[str, ...]
) -> tuple[str, str]:
    """Return the design with the covariates that these profiles can carry, and what was left."""
    left = []
    for column in covariates:
        values = rows.obs[column].astype(str)
        if (values == _UNKNOWN).any():
            left.append(f"without {column}: unknown in {int((values == _UNKNOWN).sum())} profiles")
        elif values.nunique() < 2:  # noqa: PLR2004  (a factor needs two levels)
            left.append(f"without {column}: the same in every profile")
        else:
            wider = f"{design} + {column}"
            reports = [
                tl.estimability(rows.obs, design=wider, contrast=t.term) for t in model.tested
            ]
            if all(r.estimable for r in reports):
                design = wider
            else:
                left.append(f"without {column}: cannot be told apart from the groups")
    return design, "; ".join(left)


def _compare(ctx: Context, stacked: dict[str, pd.DataFrame]) -> pd.DataFrame:
    alpha = ctx.preset.values("de")["alpha"]
    known = {name: t[t["p_value"].notna()] for name, t in stacked.items()}
    found = []
    for names in _COMPARED:
        a, b = (known[name] for name in names)
        shared = set(a["contrast"]) & set(b["contrast"])
        if shared:
            a, b = (t[t["contrast"].isin(shared)] for t in (a, b))
            found.append(tl.compare_engines(a, b, names=names, alpha=alpha))
    return pd.concat(found, ignore_index=True) if found else ENGINE_COMPARISON.empty()


STEP = Step(
    name="de",
    title="Differential expression between patients",
    needs=(TABLE, "tables/samples.csv"),
    makes=(
        "tables/de.csv",
        *(f"tables/de_{name}.csv" for name in (*PRESETS, *_BESIDE.values())),
        "tables/engine_comparison.csv",
        "tables/gene_filter.csv",
        "tables/fits.csv",
    ),
    params=("pseudobulk", "de"),
    settings=("preset",),
    manifests=("contrasts.toml",),
    inputs=lambda ctx: {
        f"{name} {section}": ctx.manifests.preset(name).values(section)
        for name in PRESETS
        for section in ("pseudobulk", "de")
    },
    run=run,
)
