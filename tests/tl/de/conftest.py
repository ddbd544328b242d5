"""SIMULATED pseudobulk with R's answers (folder r/), and the designs they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

R = Path(__file__).parent / "r"


class Case(NamedTuple):
    """Rows of samples.csv, a design, and contrasts by the prefix they have in R's answers."""

    rows: list[int]
    design: str
    contrasts: dict


@pytest.fixture(scope="session")
def simulated():
    """Counts (samples x genes) and samples as R has them."""
    counts = pd.read_csv(R / "counts.csv.gz", index_col=0).T
    obs = pd.read_csv(R / "samples.csv", index_col=0)
    obs["group"] = pd.Categorical(obs["group"], ["low", "high"])
    obs["time"] = pd.Categorical(obs["time"], ["product", "day7"])
    arms = ["no.low", "yes.low", "no.high", "yes.high"]
    obs["arm"] = pd.Categorical(obs["anakinra"] + "." + obs["group"].astype(str), arms)
    return counts, obs


@pytest.fixture(scope="session")
def cases(simulated):
    _, obs = simulated
    everyone = np.arange(len(obs))
    day7 = everyone[obs["time"] == "day7"]
    both = obs["patient"].isin(obs.loc[obs["time"] == "product", "patient"]).to_numpy()
    group, time = ("group", "high", "low"), ("time", "day7", "product")
    cross = {"interaction": "anakinra:group", "simple_no": group, "simple_yes": [0, 0, 1, 1]}
    return {
        "two_groups": Case(day7[:10].tolist(), "~ group", {"group": group}),
        "few": Case([0, 1, 2, 6, 7], "~ group", {"group": group}),
        "large": Case([*range(10, 16), 8, *range(16, 24)], "~ group", {"group": group}),
        "covariates": Case(
            day7.tolist(), "~ sex + age + group", {"group": group, "age": [0, 0, 10, 0]}
        ),
        "interaction": Case(day7.tolist(), "~ anakinra * group", cross),
        "arms": Case(
            day7.tolist(),
            "~ arm",
            {"no": ("arm", "no.high", "no.low"), "yes": ("arm", "yes.high", "yes.low")},
        ),
        "paired": Case(everyone[both].tolist(), "~ patient + time", {"time": time}),
        "blocked": Case(everyone.tolist(), "~ time", {"time": time}),
    }


@pytest.fixture(scope="session")
def pseudobulk(simulated, cases):
    """Function from the name of a case to a fresh AnnData."""
    from anndata import AnnData

    counts, obs = simulated

    def make(name):
        rows = cases[name].rows
        return AnnData(counts.iloc[rows].astype(np.float64), obs=obs.iloc[rows].copy())

    return make


@pytest.fixture(scope="session")
def fits(pseudobulk, cases):
    """Function that fits a case, once in the session."""
    from cartscope.tl import fit_differential_expression

    made = {}

    def fit(name, engine="deseq2", **options):
        key = name, engine, tuple(options.items())
        if key not in made:
            made[key] = fit_differential_expression(
                pseudobulk(name), design=cases[name].design, engine=engine, **options
            )
        return made[key]

    return fit


@pytest.fixture(scope="session")
def answers(simulated):
    """Function that reads R's answer to a case, one row per gene."""
    counts, _ = simulated

    def read(name):
        return pd.read_csv(R / f"{name}.csv.gz", index_col=0).reindex(counts.columns)

    return read


@pytest.fixture(scope="session")
def kang(reference):
    """Real CD14 monocyte pseudobulk of the Kang 2018 PBMC: counts, and R's answers by name."""
    folder = reference / "kang2k"
    counts = pd.read_csv(folder / "pb_cd14_counts.csv.gz", index_col=0).T
    meta = pd.read_csv(folder / "pb_cd14_meta.csv", dtype=str).set_index("sample")

    def read(name):
        return pd.read_csv(folder / "de" / f"{name}.csv.gz").set_index("gene")

    return counts, meta.loc[counts.index], read
