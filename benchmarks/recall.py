"""What is found of what was planted, at FDR 0.1, on SIMULATED cohorts of the paper's size.

    python benchmarks/recall.py [--cohorts 10] [--cells 1500] [--seed 1] [--out recall.csv]
                                [--cache FOLDER]

Pathways  sums of counts per patient, through the steps `de`, `gsea` (every collection of the
          preset) and `gene_set_scores`.
Pairs     the day-7 cells of the ten anakinra patients, `--cells` a library, with true cell types
          and a CAR call by one UMI, through the step `ligrec`.

For each kind of test the table says how many planted effects there are per cohort, how many a
test could find at all (q < 0.1 with every planted effect at the floor of its exact test and nothing
else found), how many the power of that test lets one expect, and how many were found with the
right sign. Expected: power of the exact U test at the p that Benjamini-Hochberg allows when as many
are found, for the effect that the same cohorts show (the mean of U over all pairs of patients, as a
shift between normals). A gene-permutation p has no floor, and its power is not that of patients:
nothing is expected of it. "others_found" are further sets and pairs with q < 0.1: they share genes
with the planted ones, or are what these bring about.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import anndata as ad
import numpy as np
import pandas as pd
from _calibration.cohorts import CELLS, DETECTION, SAMPLES, sample_table
from scipy.special import ndtri

from cartscope import _keys as k
from cartscope import pp, stats
from cartscope.simulate import simulate_adata, simulate_pseudobulk
from cartscope.simulate._design import libraries
from cartscope.simulate._effect_tables import effects_table
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import STEPS

ALPHA = 0.1
PAIRS = ("ligrec_crs_anakinra", "ligrec_nt_anakinra")
# the truth says "interferon signalling": these are the genes that rise
INTERFERON = {
    ("monocyte-anakinra-only", "interferon signalling"): "HALLMARK_INTERFERON_ALPHA_RESPONSE"
}
KEYS = {
    "gsea": ["contrast", "gene_set"],
    "gene_set_scores": ["contrast", "gene_set"],
    "ligrec": ["contrast", "source", "target", "ligand", "receptor"],
}


def planted_sets(ctx: Context) -> pd.DataFrame:
    """Return contrast, gene_set and sign of the planted pathways."""
    effects = effects_table(1.0)
    signs = {
        (e.claim_id, e.feature, e.contrast): np.sign(e.log2_effect) for e in effects.itertuples()
    }
    names = {
        (claim.id, feature): name
        for claim in ctx.manifests.claims
        for e in claim.evidence
        if e.table == "gsea"
        for feature, name in e.features.items()
    } | INTERFERON
    rows = [
        (contrast, names[claim, feature], sign)
        for (claim, feature, contrast), sign in signs.items()
        if (claim, feature) in names and contrast != "t_day7_vs_product"
    ]
    return pd.DataFrame(rows, columns=["contrast", "gene_set", "sign"])


def planted_pairs() -> pd.DataFrame:
    """Return contrast, source, target, ligand, receptor and sign of the planted pairs."""
    table = effects_table(1.0)
    table = table[table["contrast"].isin(PAIRS)].reset_index(drop=True)
    ends = table["population"].str.split(">", expand=True).set_axis(["source", "target"], axis=1)
    pair = table["feature"].str.split("_", expand=True).set_axis(["ligand", "receptor"], axis=1)
    return pd.concat([table["contrast"], ends, pair], axis=1).assign(
        sign=np.sign(table["log2_effect"])
    )


def pathway_tables(ctx: Context, wanted: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Return gsea and gene_set_scores of one cohort."""
    contrasts = list(dict.fromkeys(wanted["contrast"]))
    known = {c.id: c.population for c in ctx.manifests.contrasts.contrast}
    profiles = {}
    for name in dict.fromkeys(known[c] for c in contrasts):
        pdata = simulate_pseudobulk(name, cells=CELLS, seed=seed, detection=DETECTION)
        product = name in {"cd4", "cd8"}
        pdata.obs[k.obs.timepoint] = k.timepoints.infusion_product if product else k.timepoints.day7
        pdata.obs[k.obs.sex_inferred] = "unknown"
        profiles[name] = pdata[pdata.obs[k.obs.n_cells] >= 25].copy()
    # genes differ between populations: one that a population lacks has no count there
    whole = ad.concat(profiles, index_unique=" ", join="outer", fill_value=0)
    kept = pd.Series(pp.filter_genes(whole, method="cpm").to_numpy(), index=whole.var_names)
    for name, pdata in profiles.items():
        pdata.var[k.var.above_cpm] = kept[pdata.var_names].to_numpy()
        path = ctx.path(pseudobulk_artifact(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        pdata.write_h5ad(path)
    run = InMemory(ctx, tables={SAMPLES: sample_table()}, contrasts=contrasts)
    made = run.run([STEPS["de"], STEPS["gsea"], STEPS["gene_set_scores"]])
    return {n: made[f"tables/{n}.csv"] for n in ("gsea", "gene_set_scores")}


def pair_table(ctx: Context, seed: int, cells: int) -> pd.DataFrame:
    """Return ligrec of one cohort's anakinra arm."""
    ids = [
        lib.sample_id
        for lib in libraries()
        if lib.patient.anakinra and lib.timepoint == k.timepoints.day7
    ]
    adata = simulate_adata(ids, cells=cells, seed=seed, sound_only=True)
    obs = adata.obs
    is_sorted = obs[k.obs.sorted].astype(str).str.lower() == "true"
    found = np.asarray(adata[:, ["Yescarta"]].layers[k.layers.counts].sum(1)).ravel() > 0
    obs[k.obs.cell_type] = obs["true_cell_type"]
    obs[k.obs.t_lineage] = obs["true_t_lineage"]
    obs[k.obs.car_status] = np.where(
        found, k.car.positive, np.where(is_sorted, k.car.unknown, k.car.negative)
    )
    obs[k.obs.sorted] = is_sorted.to_numpy()
    run = InMemory(ctx, tables={SAMPLES: sample_table()}, contrasts=PAIRS, cells=adata)
    return run.run([STEPS["ligrec"]])["tables/ligrec.csv"]


def judge(table: pd.DataFrame, wanted: pd.DataFrame, *, kind: str, keys: list[str]) -> pd.DataFrame:
    """Return a row per planted effect: whether it was found, and what its family allows."""
    there = wanted.merge(table, on=keys, how="left", suffixes=("", "_table"))
    there["kind"] = kind
    there["found"] = (there["fdr"] < ALPHA) & (np.sign(there["direction"]) == there["sign"])
    others = table[table["fdr"].notna()].merge(wanted[keys], on=keys, how="left", indicator=True)
    wrong = others[(others["_merge"] == "left_only") & (others["fdr"] < ALPHA)]
    there["others"] = there["contrast"].map(wrong.groupby("contrast").size()).fillna(0)
    able = there["p_value"].notna()
    there["k"] = there["contrast"].map(able.groupby(there["contrast"]).sum())
    there["able"] = able
    return there


def cohort(ctx: Context, seed: int, cells: int) -> pd.DataFrame:
    """Return what one cohort shows of everything planted."""
    wanted = planted_sets(ctx)
    tables = pathway_tables(ctx, wanted, seed)
    ranked = tables["gsea"].assign(direction=tables["gsea"]["nes"])
    ranked["family_size"] = ranked.groupby("contrast")["fdr"].transform("count")
    scored = tables["gene_set_scores"].assign(direction=tables["gene_set_scores"]["effect"])
    pairs = pair_table(ctx, seed, cells)
    pairs["direction"] = pairs["effect"]
    one = pairs.copy()  # named or not: all candidates in one family
    able = one["fdr"].notna()
    for _, rows in one[able].groupby("contrast"):
        one.loc[rows.index, "fdr"] = stats.benjamini_hochberg(rows["p_value"].to_numpy())
        one.loc[rows.index, "family_size"] = len(rows)
    named = pairs[pairs["family"] == "primary"]
    parts = [
        judge(ranked, wanted, kind="pathways, ranked genes", keys=KEYS["gsea"]),
        judge(scored, wanted, kind="pathways, between patients", keys=KEYS["gene_set_scores"]),
        judge(named, planted_pairs(), kind="pairs, named family", keys=KEYS["ligrec"]),
        judge(one, planted_pairs(), kind="pairs, all candidates", keys=KEYS["ligrec"]),
    ]
    return pd.concat(parts, ignore_index=True).assign(cohort=seed)


def shift_of(rows: pd.DataFrame) -> float:
    """Return the shift between normal groups that one effect shows over all cohorts."""
    n = (rows["n_group"] * rows["n_reference"]).to_numpy(dtype=float)
    # cohorts without an overlap are no proof of an infinite shift
    most = 1 - 0.5 / n.sum()
    share = float(np.clip((rows["u"] / n).mean(), 1 - most, most))
    return float(np.sqrt(2) * ndtri(share) * rows["sign"].iloc[0])


def expected(rows: pd.DataFrame) -> tuple[float, float]:
    """Return how many planted effects of one cohort and contrast are in reach, and expected.

    Benjamini-Hochberg lets p be 0.1 x found / family: with all planted effects found at first,
    then with as many as that level lets one expect, until the number stays.
    """
    features = [c for c in ("gene_set", "source", "target", "ligand", "receptor") if c in rows]
    able = rows[rows["able"] & rows.get("u", pd.Series(np.nan, rows.index)).notna()]
    if able.empty:
        return float("nan"), float("nan")
    effects = [
        (shift_of(one), int(one["n_group"].iloc[0]), int(one["n_reference"].iloc[0]))
        for _, one in able.groupby(features, dropna=False)
    ]
    there, family = len(able) / rows["cohort"].nunique(), float(able["family_size"].median())
    inside = able["min_p"] < ALPHA * able["k"] / able["family_size"]
    reach = inside.sum() / rows["cohort"].nunique()
    found = there
    for _ in range(50):
        level = ALPHA * max(found, 1.0) / family
        share = np.mean([stats.power(n, m, effect=d, alpha=level) for d, n, m in effects])
        before, found = found, there * float(share)
        if abs(before - found) < 1e-3:
            break
    return reach, found


def summarize(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row per kind of test and contrast."""
    out = []
    for (kind, contrast), rows in found.groupby(["kind", "contrast"], sort=False):
        cohorts = rows["cohort"].nunique()
        reach, hoped = expected(rows)
        tested = rows["able"].sum() / cohorts
        # a hit of one cohort is no independent draw of its neighbor: bounds over cohorts
        share = rows.groupby("cohort")["found"].mean()
        out.append(
            {
                "kind": kind,
                "contrast": contrast,
                "cohorts": cohorts,
                "planted": len(rows) / cohorts,
                "tested": tested,
                "family": int(rows["family_size"].median()),
                "attainable": tested if np.isnan(reach) else reach,
                "expected": hoped,
                "found": rows["found"].sum() / cohorts,
                "recall": share.mean(),
                "recall_se": share.std(ddof=1) / np.sqrt(cohorts) if cohorts > 1 else np.nan,
                "others_found": rows.groupby("cohort")["others"].first().mean(),
            }
        )
    return pd.DataFrame(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=int, default=10)
    parser.add_argument("--cells", type=int, default=1500, help="of each day-7 library")
    parser.add_argument("--seed", type=int, default=1, help="of the first cohort")
    parser.add_argument("--out", type=Path, default=Path("recall.csv"))
    parser.add_argument("--cache", type=Path, help="folder that keeps each cohort's rows")
    options = parser.parse_args()
    parts = []
    for seed in range(options.seed, options.seed + options.cohorts):
        kept = options.cache / f"{seed:06d}.csv" if options.cache else None
        if kept is not None and kept.exists():
            parts.append(pd.read_csv(kept))
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            ctx = Context(
                Settings(out=Path(folder), jobs=1, seed=seed), annotating_before=annotating_before
            )
            parts.append(cohort(ctx, seed, options.cells))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            parts[-1].to_csv(kept, index=False)
        print(f"cohort {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    table = summarize(pd.concat(parts, ignore_index=True))
    table.to_csv(options.out, index=False, float_format="%.6g")
    print(f"SIMULATED cohorts, q < {ALPHA:g}; planted, attainable, expected and found per cohort")
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
