"""Time of 100,000 exact U tests of 10 against 6 patients: python benchmarks/stats_exact.py [N]."""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import stats as scipy_stats

from cartscope import stats
from cartscope.stats._null import rank_sum_null

N_X, N_Y = 10, 6


def data(kind: str, tests: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (N_X + N_Y, tests)
    values = {
        "no ties": lambda: rng.normal(size=shape),
        "half zero": lambda: np.maximum(rng.normal(size=shape), 0),
        "counts of mean 3": lambda: rng.poisson(3, size=shape).astype(float),
        "one decimal": lambda: rng.normal(size=shape).round(1),
        "no ties, 5% NaN": lambda: np.where(
            rng.random(shape) < 0.05, np.nan, rng.normal(size=shape)
        ),
    }[kind]()
    return values[:N_X], values[N_X:]


def main(tests: int) -> None:
    print(f"{tests} exact two-sided U tests, {N_X} v {N_Y}, one thread")
    print(f"{'data':<20}{'seconds':>9}{'per second':>13}")
    for kind in ("no ties", "half zero", "counts of mean 3", "one decimal", "no ties, 5% NaN"):
        x, y = data(kind, tests)
        rank_sum_null.cache_clear()
        start = time.perf_counter()
        result = stats.mann_whitney(x, y)
        took = time.perf_counter() - start
        assert set(np.unique(result.method)) == {"exact"}
        print(f"{kind:<20}{took:>9.2f}{tests / took:>13,.0f}")
    few = min(tests, 200)
    x, y = (part[:, :few] for part in data("half zero", tests))
    start = time.perf_counter()
    scipy_stats.mannwhitneyu(x, y, method=scipy_stats.PermutationMethod(n_resamples=10_000))
    took = (time.perf_counter() - start) / few * tests
    print(f"scipy's PermutationMethod, which enumerates too: {took:,.0f} s, judged by {few} tests")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
