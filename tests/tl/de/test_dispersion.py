"""The dispersion of a gene is where an independent brute force finds the maximum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import nbinom, norm

from cartscope.tl.de._dispersion import fit_dispersions

BOUNDS = 1e-8, 12.0
GROUPS = np.column_stack([np.ones(12), np.arange(12) % 2])


def objective(log_alpha, y, mu, x, prior=None):
    """Adjusted (or posterior) log likelihood, from textbook parts."""
    alpha = np.exp(log_alpha)
    value = nbinom.logpmf(y, 1 / alpha, 1 / (1 + mu * alpha)).sum()
    value -= np.linalg.slogdet((x.T / (1 / mu + alpha)) @ x)[1] / 2
    return value if prior is None else value + norm.logpdf(log_alpha, prior[0], prior[1] ** 0.5)


def brute_force(y, mu, x, prior=None, bounds=BOUNDS):
    """Highest point of a fine grid of the log dispersion, polished."""
    low, high = np.log([max(bounds[0], 1e-6), bounds[1]])
    grid = np.linspace(low, high, 400)
    best = grid[np.argmax([objective(at, y, mu, x, prior) for at in grid])]
    step = grid[1] - grid[0]
    around = max(best - step, low), min(best + step, high)
    found = minimize_scalar(
        lambda at: -objective(at, y, mu, x, prior),
        bounds=around,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return np.exp(found.x)


def simulate(genes, x, dispersion, seed=0, mean=(3.0, 6.0)):
    """SIMULATED counts and their means, genes x samples."""
    rng = np.random.default_rng(seed)
    mu = np.exp(rng.uniform(*mean, genes))[:, None] * np.exp(rng.normal(0, 0.4, len(x)))
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mu))
    return counts.astype(np.float64), mu


def fit(counts, mu, x, start, center=None, prior_var=0.0, bounds=BOUNDS):
    genes = len(counts)
    start = np.broadcast_to(np.float64(start), genes).copy()
    center = start if center is None else np.broadcast_to(np.float64(center), genes).copy()
    return fit_dispersions(counts, mu, x, start, center, prior_var, *bounds)


def below_the_top(found, counts, mu, x):
    """Log likelihood that each gene's answer lacks to the maximum of brute force."""
    genes = list(zip(counts, mu, strict=True))
    tops = [objective(np.log(brute_force(y, m, x)), y, m, x) for y, m in genes]
    there = [objective(np.log(at), y, m, x) for at, (y, m) in zip(found, genes, strict=True)]
    return np.subtract(tops, there)


@pytest.mark.parametrize("start", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("dispersion", [0.05, 0.5])
def test_adjusted_likelihood_is_nearly_at_its_top_from_any_start(start, dispersion):
    counts, mu = simulate(25, GROUPS, dispersion)
    # a step that gains less than 1e-6 ends the search, and a grid has a width: seen 0.002
    assert below_the_top(fit(counts, mu, GROUPS, start), counts, mu, GROUPS).max() < 0.005


def test_search_for_a_design_with_numbers():
    rng = np.random.default_rng(4)
    x = np.column_stack([GROUPS, rng.normal(0, 1, 12)])
    counts, mu = simulate(25, x, 0.2, seed=1)
    assert below_the_top(fit(counts, mu, x, 0.1), counts, mu, x).max() < 0.005


def test_search_stays_short_of_a_flat_top_as_r_does():
    # one count among twelve tells next to nothing: 20 times the slope is all that a walk covers
    y, mu = np.zeros((1, 12)), np.full((1, 12), 0.5)
    y[0, 3] = 2
    start = np.log(2e-3)
    rise = objective(start + 1e-4, y[0], mu[0], GROUPS) - objective(
        start - 1e-4, y[0], mu[0], GROUPS
    )
    walked = np.log(fit(y, mu, GROUPS, 2e-3)[0]) - start
    assert 0 < rise / 2e-4 < 0.01
    assert walked == pytest.approx(20 * rise / 2e-4, rel=0.2)
    assert below_the_top(np.exp([start + walked]), y, mu, GROUPS)[0] > 0.1


def test_search_that_does_not_settle_ends_on_a_grid():
    # the likelihood falls away slowly towards no dispersion: steps get ever shorter
    rng = np.random.default_rng(3)
    mu = np.full((1, 12), 40.0)
    y = rng.poisson(mu).astype(float)
    y[0] = 40.0
    found = np.log(fit(y, mu, GROUPS, 0.05)[0])
    gap = (np.log(BOUNDS[1]) - np.log(BOUNDS[0])) / 19
    assert found - np.log(BOUNDS[0]) < gap


@pytest.mark.parametrize("start", [1e-8, 0.01, 12.0])
def test_maximum_of_the_posterior_of_sparse_genes(start):
    # means of 0.5 to 5: dispersions that hardly show, so that the prior decides much
    counts, mu = simulate(20, GROUPS, 0.5, seed=2, mean=(-0.7, 1.6))
    mu = np.maximum(mu, 0.5)
    prior = np.log(0.8), 0.6
    found = fit(counts, mu, GROUPS, start, center=0.8, prior_var=0.6)
    expected = [brute_force(y, m, GROUPS, prior) for y, m in zip(counts, mu, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # as above


@pytest.mark.parametrize(
    ("counts", "higher"),
    [
        ([4, 4, 7, 16, 1, 2, 5, 30, 10, 5, 31, 11], "the counts' own"),
        ([13, 0, 4, 5, 0, 14, 1, 0, 4, 26, 0, 7], "the prior's"),
    ],
)
@pytest.mark.parametrize("start", [1e-8, 1e-3, 1.0])
def test_higher_of_two_modes_of_the_posterior(counts, higher, start):
    # a prior far below what the counts say: one mode near each
    y, mu, prior = np.array([counts], dtype=float), np.full((1, 12), 5.0), (np.log(1e-3), 0.5)
    grid = np.log(np.geomspace(1e-6, 12, 300))
    values = np.array([objective(at, y[0], mu[0], GROUPS, prior) for at in grid])
    assert (np.diff(np.sign(np.diff(values))) < 0).sum() == 2
    found = fit(y, mu, GROUPS, start, center=1e-3, prior_var=0.5)[0]
    assert found == pytest.approx(brute_force(y[0], mu[0], GROUPS, prior), rel=1e-4)
    assert (found > 0.02) == (higher == "the counts' own")


def test_bounds_are_met_exactly():
    constant = np.full((1, 12), 100.0)
    assert fit(constant, constant, GROUPS, 0.1)[0] == BOUNDS[0]
    wild = np.array([[0.0, 0.0, 9000.0, 9000.0] * 3])
    assert fit(wild, np.full((1, 12), 5.0), GROUPS, 0.1)[0] == BOUNDS[1]


def test_no_dispersion_by_moments_gives_the_lower_bound():
    # the adjustment alone lets the likelihood of a sparse gene rise towards large dispersions
    x = np.column_stack([np.ones(12), np.repeat(np.eye(6), 2, axis=0)[:, 1:], np.arange(12) % 2])
    y, mu = np.zeros((1, 12)), np.full((1, 12), 0.5)
    y[0, 3] = 1
    values = [objective(np.log(alpha), y[0], mu[0], x) for alpha in (1e-6, 0.1, 12.0)]
    assert values[0] < values[1] < values[2]
    assert fit(y, mu, x, 1e-8)[0] == BOUNDS[0]


def test_genes_do_not_depend_on_each_other():
    counts, mu = simulate(6, GROUPS, 0.3)
    together = fit(counts, mu, GROUPS, 0.1)
    alone = [fit(counts[[g]], mu[[g]], GROUPS, 0.1)[0] for g in range(6)]
    assert together.tolist() == alone
