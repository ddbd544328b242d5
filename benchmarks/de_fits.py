"""Level and power of tests within an arm: on the arm's own patients, and on one fit of all.

    python benchmarks/de_fits.py                       40 null and 25 planted SIMULATED cohorts
    python benchmarks/de_fits.py --more-dispersion 0.15    the arm with anakinra varies more

CD14 monocytes by CRS grade unless told otherwise; `without anakinra` on the shared fits is the
effect among patients without anakinra. Level: share of genes without an effect with p < 0.05.
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


def measure(options: argparse.Namespace, n: int, *, null: bool) -> pd.DataFrame:
    rows = []
    for seed in range(n):
        pdata = cohort(options, 300 + seed, null=null)
        effects = planted(pdata)
        for engine in ("deseq2", "limma_voom"):
            for fit, arm, table in tests(pdata, engine):
                true = effects[arm].reindex(table["gene"]).abs().to_numpy()
                silent = table["p_value"][true < 1e-9].dropna()
                called = (table["fdr"] < ALPHA).to_numpy()
                rows.append(
                    {
                        "engine": engine,
                        "arm": arm,
                        "fit": fit,
                        "genes": len(table),
                        "p < 0.05": (silent < 0.05).mean(),
                        "p < 0.01": (silent < 0.01).mean(),
                        "called": called.sum(),
                        "planted": (effects[arm].abs() > 0.5).sum(),
                        "found": (called & (true > 0.5)).sum(),
                        "false": (called & (true < 1e-9)).sum(),
                    }
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
