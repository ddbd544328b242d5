"""Does the claim ledger say what is there? On SIMULATED cohorts with and without planted effects.

    python benchmarks/ledger.py null    --cache FOLDER [--cohorts 100]
    python benchmarks/ledger.py planted --cache FOLDER [--cohorts 20] [--effect 1.5]
    python benchmarks/ledger.py table   --cache FOLDER

null     cohorts without effects, as sums of counts and numbers of cells per patient; a claim is a
         false call where any of its rows is called.
planted  the same with planted effects of `--effect` times the usual strength.
table    false calls per claim and in all against the binomial bound of alpha; planted rows that
         are attainable, and how many of them are recovered.

What is attainable is learnt from every second planted cohort and counted in the others. The level
that a row needs is alpha k / m: Benjamini-Hochberg over m tests of its family, k of them planted.
A rank test is attainable if its smallest p is below that level and `cs.stats.power` at the mean
standardised effect of the learning cohorts is 0.95 or more; a gene, if its statistic, normal with
the learning cohorts' mean and spread, passes the level with that probability.

Prerank is left out: a set is called by its patients alone here, which can only add false calls.
Claims of single cells are judged in whole runs only. A killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _calibration import cohorts
from scipy.stats import norm

from cartscope import stats
from cartscope._schema import CLAIMS_DETAIL
from cartscope.simulate._effects import RULES
from cartscope.study import Settings, all_evidence, all_judges
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._fits import plan_models
from cartscope.study.judges._calls import decide
from cartscope.study.judges._planted import against_truth, planted_effect
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._patient_values import pair_families, share_families
from cartscope.study.redo._permuted import STEPS
from cartscope.study.steps import contrasts as contrasts_step
from cartscope.study.steps.de import kept_genes, test_model

TABLES = ("composition", "corrected", "cycling", "gene_set_scores", "ligrec", "de")
NOT_NULL = {"t_day7_vs_product"}  # day 7 and product differ in any cohort
ALPHA = 0.1
POWER = 0.95
RANKED = ("composition", "corrected", "cycling", "gene_set_scores", "ligrec")


def claims_of(ctx: Context) -> list:
    """Return the claims that test, with the evidence that cohorts of patients can give."""
    out = []
    for claim in ctx.manifests.claims:
        kept = tuple(
            e for e in claim.evidence if e.table in TABLES and not NOT_NULL & set(e.contrasts)
        )
        if kept and claim.kind in {"test", "null"}:
            out.append(claim.model_copy(update={"evidence": kept}))
    return out


def cohort(seed: int, folder: Path, *, strength: float) -> InMemory:
    """Return one cohort with every table that the claims need."""
    base = Context(Settings(out=folder, jobs=1, seed=seed), annotating_before=annotating_before)
    wanted = {c for claim in claims_of(base) for e in claim.evidence for c in e.contrasts}
    by_table = {
        t: [c for claim in claims_of(base) for e in claim.evidence if e.table == t
            for c in e.contrasts] for t in TABLES
    }  # fmt: skip
    known = {c.id: c for c in base.manifests.contrasts.contrast}
    populations = {known[c].population for t in ("de", "gene_set_scores") for c in by_table[t]}
    profiles = cohorts.draw_profiles(
        seed, populations=sorted(populations | set(cohorts.LR)), min_cpm=5.0, strength=strength
    )
    cohorts.write_profiles(folder, profiles)
    cells, calls = cohorts.dealt_cells(seed, strength=strength)
    samples = cohorts.sample_table()
    given = {cohorts.SAMPLES: samples, cohorts.CALLS: calls}
    tables = {}
    shares = InMemory(base, tables=given, contrasts=sorted(wanted), cells=cells)
    tables |= shares.run([STEPS[n] for n in ("composition", "cycling", "corrected")])
    sets = InMemory(base, tables=given, contrasts=dict.fromkeys(by_table["gene_set_scores"]))
    tables |= sets.run([STEPS["gene_set_scores"]])
    de = InMemory(base, tables=given, contrasts=dict.fromkeys(by_table["de"]))
    tables["tables/de.csv"] = _de(de)
    # the named pairs are a family of their own: no other pair is needed
    pairs = base.manifests.ligand_receptor.pair
    genes = {g for p in pairs for side in (p.ligand, p.receptor) for g in side.split("_")}
    talking = cohorts.stacked(profiles)
    talking = talking[:, talking.var_names.isin(genes)].copy()
    talk = InMemory(
        base, tables=given, contrasts=dict.fromkeys(by_table["ligrec"]),
        preset={"ligrec": {"min_cells": 1}}, cells=talking,
    )  # fmt: skip
    talk.tables["tables/de_published.csv"] = tables["tables/de.csv"]
    tables |= talk.run([STEPS["ligrec"]])
    tables["tables/pseudobulk.csv"] = pd.concat(
        [
            pd.DataFrame(
                {"population": name, "patient": p.obs["patient"].astype(str),
                 "timepoint": p.obs["timepoint"].astype(str), "n_cells": p.obs["n_cells"],
                 "kept": True, "reason": ""}
            ) for name, p in profiles.items()
        ]
    )  # fmt: skip
    # the panels read it from the disk
    base.write_table("tables/pseudobulk.csv", tables["tables/pseudobulk.csv"])
    base.write_table(cohorts.SAMPLES, samples)
    contrasts_step.STEP.run(base)
    return InMemory(base, tables={**tables, **given})


def _de(ctx: InMemory) -> pd.DataFrame:
    parts = []
    for model in plan_models(ctx).models:
        rule = ctx.preset.values("pseudobulk")["gene_filter"]
        tested = kept_genes(model, rule) & (np.asarray(model.rows.X.sum(axis=0)).ravel() > 0)
        rows = model.rows[:, tested].copy()
        found, _ = test_model(model, rows, preset=ctx.preset, n_jobs=1)
        parts += found.values()
    return pd.concat(parts, ignore_index=True)


def planted_table() -> pd.DataFrame:
    """Return what the simulator plants, as effects.csv has it."""
    rows = [
        {"claim_id": r.claim, "feature": f, "population": p, "contrast": c, "log2_effect": r.log2}
        for r in RULES for f in r.features for p, c in r.told
    ]  # fmt: skip
    shares = [
        ("composition-treg", "Treg", "composition_crs_no_anakinra", 1.0),
        ("composition-cd8", "CD8", "composition_crs_no_anakinra", -1.0),
        ("cycling-car-negative", "cycling", "cycling_car_neg_anakinra", 1.0),
        ("cycling-car-positive", "cycling", "cycling_car_pos_anakinra", 1.0),
    ]
    rows += [
        {"claim_id": i, "feature": f, "population": "", "contrast": c, "log2_effect": e}
        for i, f, c, e in shares
    ]
    ends = [f"cd14_monocyte>car_{s}_{c}" for s in ("pos", "neg") for c in ("cd4", "cd8")]
    pairs = [
        *(("lr-cxcl10", pair, end) for pair in ("CXCL10_CXCR3", "CXCL10_DPP4") for end in ends),
        *(("lr-retn-cap1", "RETN_CAP1", end) for end in [*ends, "cd14_monocyte>cd14_monocyte"]),
    ]
    # planted by CRS; by NT grade the same patients carry some of it, so nothing is asked there
    rows += [
        {"claim_id": i, "feature": p, "population": end, "contrast": "ligrec_crs_anakinra",
         "log2_effect": 1.0} for i, p, end in pairs
    ]  # fmt: skip
    return pd.DataFrame(rows)


def judged(ctx: InMemory, planted: pd.DataFrame) -> list[dict]:
    """Return one record per row of every claim."""
    out = []
    for claim in claims_of(ctx):
        parts = []
        for e in claim.evidence:
            part = all_evidence()[e.table].rows(ctx, claim, e)
            low = np.nan if e.excludes is None else e.excludes
            parts.append(part.assign(table=e.table, excludes=low, low=np.nan, high=np.nan))
        detail = pd.concat(parts, ignore_index=True).reindex(
            columns=[*CLAIMS_DETAIL.columns, "excludes", "low", "high"]
        )
        detail["planted"] = [planted_effect(planted, row) for _, row in detail.iterrows()]
        found = all_judges()[claim.kind].judge(claim, detail)
        rows, whole, _ = against_truth(claim, detail, found)
        decided = decide(detail, alpha=claim.alpha)
        effects = _standardised(ctx, detail)
        for i, row in detail.iterrows():
            out.append(
                {"claim": claim.id, "kind": claim.kind, "whole": whole, "verdict": rows[i],
                 "table": row["table"], "feature": row["feature"], "contrast": row["contrast"],
                 "population": row["population"], "planted": float(row["planted"]),
                 "p": float(row["p_value"]), "q": float(row["fdr"]),
                 "min_p": float(row["min_p"]), "n": [int(row["n_group"]), int(row["n_reference"])],
                 "family_size": int(row["family_size"]), "called": bool(decided["called"][i]),
                 "effect": float(row["effect"]), "d": effects[i]}
            )  # fmt: skip
    return out


def _standardised(ctx: InMemory, detail: pd.DataFrame) -> list[float]:
    """Return effects in standard deviations between patients; for genes the statistic."""
    known: dict[tuple[str, str, str], float] = {}
    for table in set(detail["table"]) & {"composition", "corrected", "cycling", "ligrec"}:
        names = dict.fromkeys(detail.loc[detail["table"] == table, "contrast"])
        made = pair_families(ctx, names) if table == "ligrec" else share_families(ctx, table, names)
        for family in made:
            for j, entry in enumerate(family.entries):
                known[table, family.contrast, entry] = _d(family.numbers[:, j], family.in_group)
    out = []
    for row in detail.itertuples():
        if row.table == "de":
            out.append(float(norm.isf(max(row.p_value, 1e-300) / 2) * np.sign(row.effect))
                       if np.isfinite(row.p_value) else np.nan)  # fmt: skip
        elif row.table == "gene_set_scores":
            half = (row.ci_high - row.ci_low) / 2
            n = row.n_group, row.n_reference
            # the interval is about two standard errors of a difference to either side
            error = half / 2 / np.sqrt(1 / max(n[0], 1) + 1 / max(n[1], 1))
            out.append(float(row.effect / error) if np.isfinite(half) and half > 0 else np.nan)
        else:
            out.append(known.get((row.table, row.contrast, row.entry), np.nan))
    return out


def _d(values: np.ndarray, in_group: np.ndarray) -> float:
    x, y = values[in_group], values[~in_group]
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if min(len(x), len(y)) < 2:
        return float("nan")
    spread = np.sqrt(
        ((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / (len(x) + len(y) - 2)
    )
    return float((x.mean() - y.mean()) / spread) if spread > 0 else float("nan")


def run(options: argparse.Namespace, *, strength: float) -> None:
    """Leave one small JSON per cohort in the cache."""
    planted = planted_table() if strength else pd.DataFrame(
        columns=["claim_id", "feature", "population", "contrast", "log2_effect"]
    )  # fmt: skip
    for seed in range(options.seed, options.seed + options.cohorts):
        path = options.cache / options.what / f"{seed:06d}.json"
        if path.exists():
            continue
        start, cpu = time.perf_counter(), time.process_time()
        folder = options.cache / "work" / f"{options.what}-{seed}"
        found = judged(cohort(seed, folder, strength=strength), planted)
        shutil.rmtree(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(found))
        temporary.replace(path)
        used = f"{time.perf_counter() - start:.1f} s ({time.process_time() - cpu:.1f} of CPU)"
        print(f"{options.what} {seed}: {used}", flush=True)


def read(options: argparse.Namespace, what: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame(json.loads(p.read_text())).assign(seed=int(p.stem))
        for p in sorted((options.cache / what).glob("*.json"))
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def false_calls(table: pd.DataFrame) -> pd.DataFrame:
    """Return per claim, and in all, the share of cohorts with a false call and its bound."""
    whole = table.drop_duplicates(["seed", "claim"])
    whole = whole[whole["whole"] != "not testable"]  # response is not drawn
    rows = [
        _rate(claim, rows["whole"].eq("false call").tolist())
        for claim, rows in whole.groupby("claim", sort=False)
    ]
    rows.append(_rate("all claims", whole["whole"].eq("false call").tolist()))
    return pd.DataFrame(rows)


def _rate(name: str, hits: list[bool]) -> dict:
    k, n = int(np.sum(hits)), len(hits)
    found = stats.proportion_interval(k, n)
    return {"claim": name, "judged": n, "false calls": k, "rate": found.estimate,
            "low": found.low, "high": found.high,
            "at most alpha": "yes" if found.low <= ALPHA else "NO"}  # fmt: skip


def recovered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the planted rows: attainable or not by half of the cohorts, recovered in the rest."""
    table = table[(table["planted"] != 0) & (table["kind"] == "test")]
    key = ["claim", "table", "feature", "contrast", "population"]
    family = ["table", "contrast"]
    k = table.drop_duplicates([*family, "feature", "population"]).groupby(family).size()
    rows = []
    for name, here in table.groupby(key, sort=False):
        learnt, counted = here[here["seed"] % 2 == 1], here[here["seed"] % 2 == 0]
        first = here.iloc[0]
        size = max(int(here["family_size"].median()), 1)
        level = min(ALPHA * int(k[first["table"], first["contrast"]]) / size, ALPHA)
        d = learnt["d"].mean() * np.sign(first["planted"])
        if first["table"] in RANKED:
            n = tuple(int(v) for v in np.median(np.array(here["n"].tolist()), axis=0))
            reachable = here["min_p"].median() < level and min(n) > 0 and np.isfinite(d)
            power = float(stats.power(*n, effect=d, alpha=level)) if reachable else 0.0
        else:
            spread = max(float(learnt["d"].std()), 1e-9)
            power = float(norm.sf((norm.isf(level / 2) - d) / spread))
        rows.append(
            dict(zip(key, name, strict=True))
            | {"needs p <": level, "effect": d, "power": power,
               "attainable": bool(power >= POWER), "cohorts": len(counted),
               "recovered": int(counted["verdict"].eq("recovered").sum())}
        )  # fmt: skip
    return pd.DataFrame(rows)


def say(options: argparse.Namespace) -> None:
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.max_rows", 200)
    null, planted = read(options, "null"), read(options, "planted")
    if len(null):
        print(f"False calls in {null['seed'].nunique()} null cohorts")
        print(false_calls(null).round(3).to_string(index=False))
    if len(planted):
        rows = recovered(planted)
        able = rows[rows["attainable"]]
        print(f"\nPlanted rows, {planted['seed'].nunique()} cohorts, half of them to learn from")
        print(rows.round(4).to_string(index=False))
        k, n = int(able["recovered"].sum()), int(able["cohorts"].sum())
        share = k / n if n else float("nan")
        print(f"\nattainable: {len(able)} of {len(rows)} rows; recovered {k} of {n} = {share:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("null", "planted", "table"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effect", type=float, default=1.5)
    options = parser.parse_args()
    if options.what == "table":
        say(options)
    else:
        run(options, strength=options.effect if options.what == "planted" else 0.0)


if __name__ == "__main__":
    main()
