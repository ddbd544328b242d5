"""Level and power of tests within an arm: on the arm's own patients, and on one fit of all.

    python benchmarks/de_fits.py                       40 null and 25 planted SIMULATED cohorts
    python benchmarks/de_fits.py --more-dispersion 0.15    the arm with anakinra varies more

CD14 monocytes by CRS grade unless told otherwise; `without anakinra` on the shared fits is the
effect among patients without anakinra. Level: share of genes without an effect with p < 0.05, and
of cohorts where any gene has q < 0.1. Power: share of planted genes (more than 0.5 log2) called at
q < 0.1, the share of false ones among the called (FDP), and, whatever q says, the share of planted
genes down the list by p until more than a tenth of it are false (recall at FDP 0.1).
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import cartscope as cs

TERM = ("group", "group", "reference")
ALPHA = 0.1
ENGINES = ("deseq2", "quasi_likelihood", "limma_voom")
PLANTED, NOTHING = 0.5, 1e-9  # log2; what lies between is neither planted nor false
SHARED = ("~ anakinra * group", "~ anakinra * group + study")


def cohort(options: argparse.Namespace, seed: int, *, null: bool):
    """Draw a cohort; ``cell`` is arm x outcome, and more gamma noise goes to one arm if asked."""
    pdata = cs.simulate.simulate_pseudobulk(options.population, seed=seed, null=null)
    treated = pdata.obs["anakinra"].to_numpy(dtype=bool)
    if options.more_dispersion > 0:
        rng = np.random.default_rng(seed)
        v = options.more_dispersion
        noisy = rng.poisson(pdata.X[treated] * rng.gamma(1 / v, v, pdata.X[treated].shape))
        pdata.X[treated], pdata.layers["counts"][treated] = noisy, noisy
    high = pdata.obs[options.grade] >= 2
    pdata.obs["group"] = pd.Categorical(np.where(high, *TERM[1:]), TERM[:0:-1])
    pdata.obs["cell"] = pdata.obs["anakinra"].astype(str) + pdata.obs["group"].astype(str)
    return pdata


def tests(pdata, engine: str):
    """Yield fit, arm and table."""
    treated = pdata.obs["anakinra"].to_numpy(dtype=bool)
    for arm, chosen in (("with anakinra", treated), ("without anakinra", ~treated)):
        own = pdata[chosen]
        own = own[:, cs.pp.filter_genes(own, group="group").to_numpy()].copy()
        for design in ("~ group", *(["~ group + study"] if arm == "without anakinra" else [])):
            fit = cs.tl.fit_differential_expression(own, design=design, engine=engine)
            yield f"own patients, {design}", arm, fit.test(TERM)
    whole = pdata[:, cs.pp.filter_genes(pdata, group="cell").to_numpy()].copy()
    for design in SHARED:
        fit = cs.tl.fit_differential_expression(whole, design=design, engine=engine)
        name = f"one fit, {design}"
        for arm, value in (("with anakinra", True), ("without anakinra", False)):
            yield name, arm, fit.test((*TERM, {"anakinra": value}))
        yield name, "interaction", fit.test("anakinra:group")


def planted(pdata) -> dict[str, pd.Series]:
    """Difference of the planted log2 changes between the groups of each arm."""
    change = pd.DataFrame(pdata.layers["true_log2"], pdata.obs_names, pdata.var_names)
    by = change.groupby([pdata.obs["anakinra"].to_numpy(), pdata.obs["group"].to_numpy()]).mean()
    effects = {
        arm: by.loc[(value, "group")] - by.loc[(value, "reference")]
        for arm, value in (("with anakinra", True), ("without anakinra", False))
    }
    effects["interaction"] = effects["with anakinra"] - effects["without anakinra"]
    return effects


def score(table: pd.DataFrame, true: np.ndarray, n_planted: int) -> dict[str, float]:
    """Return level and power of one table, given the size of what is planted in its genes."""
    silent = table["p_value"][true < NOTHING].dropna()
    called = (table["fdr"] < ALPHA).to_numpy()
    false = (called & (true < NOTHING)).sum()
    scores = {
        "genes": len(table),
        "p < 0.05": (silent < 0.05).mean(),
        "p < 0.01": (silent < 0.01).mean(),
        "p < 1e-4 x 1e4": (silent < 1e-4).mean() * 1e4,
        "any q < 0.1": float(called.any()),
        "called": called.sum(),
    }
    if not n_planted:
        return scores
    order = np.argsort(table["p_value"].fillna(1).to_numpy(), kind="stable")
    wrong = np.cumsum(true[order] < NOTHING)
    good = np.flatnonzero(wrong <= ALPHA * np.arange(1, order.size + 1))
    down = (true[order[: good[-1] + 1 if good.size else 0]] > PLANTED).sum()
    return scores | {
        "planted": n_planted,
        "recall": (called & (true > PLANTED)).sum() / n_planted,
        "FDP": false / max(called.sum(), 1),
        "recall at FDP 0.1": down / n_planted,
    }


def measure(options: argparse.Namespace, n: int, *, null: bool) -> pd.DataFrame:
    rows = []
    for seed in range(n):
        pdata = cohort(options, 300 + seed, null=null)
        effects = planted(pdata)
        for engine in ENGINES:
            for fit, arm, table in tests(pdata, engine):
                true = effects[arm].reindex(table["gene"]).abs().to_numpy()
                n_planted = (effects[arm].abs() > PLANTED).sum()
                rows.append(
                    {"engine": engine, "arm": arm, "fit": fit, **score(table, true, n_planted)}
                )
    return pd.DataFrame(rows).groupby(["engine", "arm", "fit"]).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--population", default="cd14_monocyte")
    parser.add_argument("--grade", default="crs_grade", choices=["crs_grade", "nt_grade"])
    parser.add_argument("--null", type=int, default=40, help="cohorts without an effect")
    parser.add_argument("--planted", type=int, default=25, help="cohorts with effects")
    parser.add_argument("--more-dispersion", type=float, default=0.0, metavar="V")
    options = parser.parse_args()
    for n, null in ((options.null, True), (options.planted, False)):
        if n:
            print(f"\n{n} SIMULATED cohorts, {'no effect' if null else 'effects planted'}")
            print(measure(options, n, null=null).round(4).to_string())


if __name__ == "__main__":
    main()
