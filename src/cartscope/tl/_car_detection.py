from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cartscope import _check
from cartscope import _keys as k
from cartscope.tl._car_model import LOG_SIZE, RATE_SD, CarFit, log_nb
from cartscope.tl._car_parts import fit_parts
from cartscope.tl._car_rule import CarRule, settings_of
from cartscope.tl._car_rules import before_infusion, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

MIN_FOUND: Final = 20  # T cells with a CAR count below which no detection rate is fitted
WIDEST: Final = 0.7  # standard error of the log odds of being missed above which they say nothing
LEAST_CHANCE: Final = 1e-3  # so that one found cell stands for a thousand at most
STEP: Final = 1e-4  # of the numerical derivatives of a log probability
LEVEL_SD: Final = 1.5  # of the fit's prior on the common log rate


@dataclass(frozen=True)
class Detection:
    """How each cell would be found if it were a CAR T cell; arrays run over cells."""

    found: np.ndarray  # probability that a cell with a CAR count is a CAR T cell; 0 without one
    chance: np.ndarray  # that a CAR T cell of this depth in this sample shows a CAR count
    error: np.ndarray  # standard error of that chance, from what rate and size leave open
    log_odds_error: np.ndarray  # of being missed, at the sample's typical depth; per sample


def car_detection(
    adata: AnnData, *, settings: CarRule | Mapping[str, Any] | None = None, copy: bool = False
) -> AnnData | None:
    """Say of each cell with which chance it would be found, were it a CAR T cell.

    A CAR T cell without a CAR count is missed, and shallow cells are missed more often: so missed
    CAR T cells are not like found ones. With s the chance that a CAR T cell of a cell's depth in
    its library shows a CAR count (gamma-Poisson, rate per library, fitted to cells that have any),
    each found cell stands for (1 - s) / s missed ones like it (Horvitz and Thompson 1952,
    doi:10.1080/01621459.1952.10483446). The fit does not look at ``car_status``, so the result is
    the same after either rule. Where too few cells have a CAR count, or where the odds of being
    missed are not known within a factor of four, the chance is not identifiable and stays nan.

    Parameters
    ----------
    adata
        Cells with car_counts, car_status and cell types in ``obs``, raw counts in
        ``layers["counts"]`` or ``X``.
    settings
        Fields of :class:`CarRule` that differ from the defaults, as :func:`car_status` had them.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the copy. ``obs`` gets car_found (probability that a cell with a CAR count is a CAR T
    cell and no other cell with an ambient transcript; 0 without a count), car_detection (0-1, nan
    where not identifiable; 1 before the infusion, when there is nothing to miss) and
    car_detection_se (its standard error); ``uns["cartscope"]["car_detection"]`` rate, size and,
    where something is not identifiable, the reason, for each sample.

    Raises
    ------
    MissingKeyError
        If :func:`car_status` or :func:`annotate` has not run.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> rng = np.random.default_rng(0)
    >>> car = rng.random(400) < 0.5
    >>> counts = np.column_stack([rng.poisson(1.5 * car), np.full(400, 3000)])
    >>> obs = pd.DataFrame({"sample": "a", "cell_type": "T"}, index=[f"c{i}" for i in range(400)])
    >>> a = AnnData(counts.astype("float32"), obs=obs)
    >>> a.var_names = ["YESCARTA", "CD3D"]
    >>> cs.tl.car_status(a, features=["Yescarta"], rule="published")
    >>> cs.tl.car_detection(a)
    >>> bool(0.65 < a.obs["car_detection"].iloc[0] < 0.85)
    True
    """
    adata = adata.copy() if copy else adata
    how = settings_of(settings)
    for column, made_by in (
        (k.obs.car_counts, "tl.car_status"),
        (k.obs.car_status, "tl.car_status"),
        (how.cell_type_key, "tl.annotate"),
        (how.sample_key, "io.read_cohort"),
    ):
        _check.require(adata, "obs", column, made_by=made_by)
    obs = adata.obs
    types = obs[how.cell_type_key].astype(object)
    samples = obs[how.sample_key].astype(str).to_numpy()
    before = before_infusion(obs, how)
    candidate = types.isin(["T", k.UNASSIGNED]).to_numpy() & ~before
    control = types.isin(how.controls).to_numpy() | before
    counts = obs[k.obs.car_counts].to_numpy()
    depth = np.asarray(_check.raw_counts(adata).sum(axis=1), dtype=float).ravel()
    known = (obs[k.obs.car_status].astype(str) != k.car.unknown).to_numpy()
    # a library whose reference lacks the CAR has no zeros, it has no answer
    usable = np.isin(samples, np.unique(samples[known | (counts > 0)]))
    found, chance, error = (np.full(adata.n_obs, value) for value in (0.0, np.nan, np.nan))
    rows: list[tuple[str, float, float, str]] = []
    parts: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]] = []
    for part in parts_of(obs, how.fit_key):
        here = np.flatnonzero(part & usable)
        if not candidate[here].any():
            continue
        names, codes = np.unique(samples[here], return_inverse=True)
        arguments = {
            "counts": counts[here],
            "depth": depth[here],
            "samples": codes,
            "candidate": candidate[here],
            "control": control[here],
        }
        parts.append((here, names, arguments))
    fits = fit_parts([arguments for *_, arguments in parts])
    for (here, names, arguments), fit in zip(parts, fits, strict=True):
        codes = arguments["samples"]
        n_found = int(fit.n_detected.sum())
        if n_found < MIN_FOUND:
            why = f"not identifiable: {n_found} T cells with a CAR count in all"
            rows += [(name, np.nan, np.nan, why) for name in names]
            continue
        told = detection(fit, counts[here], depth[here], samples=codes, candidate=candidate[here])
        vague = told.log_odds_error > WIDEST
        good = ~vague[codes]
        found[here] = told.found
        chance[here[good]], error[here[good]] = told.chance[good], told.error[good]
        rows += [
            (name, fit.rate[j], fit.size, _vague(told.log_odds_error[j]) if vague[j] else "")
            for j, name in enumerate(names)
        ]
    chance[before], error[before], found[before] = 1.0, 0.0, 0.0
    adata.obs[k.obs.car_found] = found
    adata.obs[k.obs.car_detection] = chance
    adata.obs[k.obs.car_detection_se] = error
    ours = dict(adata.uns.get(k.uns.cartscope, {}))
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    ours["car_detection"] = {
        name: np.array(values, dtype=kind)
        for name, values, kind in zip(
            ("sample", "rate", "size", "reason"), columns, (object, float, float, object),
            strict=True,
        )
    }  # fmt: skip
    adata.uns[k.uns.cartscope] = ours
    return adata if copy else None


def detection(
    fit: CarFit,
    counts: np.ndarray,
    depth: np.ndarray,
    *,
    samples: np.ndarray,
    candidate: np.ndarray,
) -> Detection:
    """Return the chance to be found, with its standard error: arrays in, arrays out.

    Parameters
    ----------
    fit
        Of these cells.
    counts
        CAR counts of each cell.
    depth
        Total counts of each cell.
    samples
        Sample of each cell, 0 to n-1.
    candidate
        Cells that may well carry the CAR.
    """
    y, d = counts.astype(float), np.maximum(depth.astype(float), 1.0)
    mean, size = d * fit.rate[samples], fit.size
    weights = fit.probability * (y > 0)
    covariance = _covariance(y, mean, samples, size=size, weights=weights, n=len(fit.rate))
    missed = fit.undetected
    # slopes of the chance to be missed in log rate and log size
    slope = np.column_stack(
        [
            -missed * size * mean / (size + mean),
            missed * size * (mean / (size + mean) - np.log1p(mean / size)),
        ]
    )
    error = np.sqrt(np.einsum("ij,ijk,ik->i", slope, covariance[samples], slope))
    odds_error = np.zeros(len(fit.rate))
    relative = error / np.maximum(missed * (1 - missed), 1e-12)
    for j in range(len(odds_error)):
        at = (samples == j) & candidate
        odds_error[j] = np.median(relative[at]) if at.any() else np.nan
    return Detection(
        found=np.where(y > 0, fit.probability, 0.0),
        chance=np.maximum(1 - missed, LEAST_CHANCE),
        error=error,
        log_odds_error=odds_error,
    )


def _covariance(
    y: np.ndarray,
    mean: np.ndarray,
    samples: np.ndarray,
    *,
    size: float,
    weights: np.ndarray,
    n: int,
) -> np.ndarray:
    """Return the covariance of log rate and log size, per sample.

    The information is that of the scores of the zero-truncated counts, cell by cell, and of the
    fit's priors.
    """
    use = weights > 0
    y, mean, s, w = y[use], mean[use], samples[use], weights[use]

    def log_probability(shift: float, stretch: float) -> np.ndarray:
        m, z = mean * np.exp(shift), size * np.exp(stretch)
        return log_nb(y, m, z) - np.log(-np.expm1(-z * np.log1p(m / z)))

    by_rate, by_size = (
        (log_probability(*up) - log_probability(*down)) / (2 * STEP)
        for up, down in (((STEP, 0.0), (-STEP, 0.0)), ((0.0, STEP), (0.0, -STEP)))
    )
    # common log rate, log size, then the samples' deviations from that rate
    information = np.zeros((n + 2, n + 2))
    own, both = (np.bincount(s, weights=w * by_rate * other, minlength=n)
                 for other in (by_rate, by_size))  # fmt: skip
    information[0, 0] = own.sum() + LEVEL_SD**-2
    information[1, 1] = w @ by_size**2 + LOG_SIZE[1] ** -2
    information[0, 1] = information[1, 0] = both.sum()
    at = np.arange(2, n + 2)
    information[at, at] = own + RATE_SD**-2
    information[0, at] = information[at, 0] = own
    information[1, at] = information[at, 1] = both
    inverse = np.linalg.inv(information)
    out = np.empty((n, 2, 2))
    out[:, 0, 0] = inverse[0, 0] + 2 * inverse[0, at] + inverse[at, at]
    out[:, 0, 1] = out[:, 1, 0] = inverse[0, 1] + inverse[1, at]
    out[:, 1, 1] = inverse[1, 1]
    return out


def _vague(error: float) -> str:
    return (
        "not identifiable: the odds of a CAR T cell to be missed are known within a factor of "
        f"{np.exp(1.96 * error):.1f} only"
    )
