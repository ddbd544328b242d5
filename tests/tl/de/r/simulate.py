"""Write counts.csv.gz and samples.csv: SIMULATED pseudobulk, from which R's answers are made.

Nothing in it comes from a person. Run ``python simulate.py && Rscript answers.R`` in this folder
to make everything anew; see sessionInfo.txt for R's versions.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
GENES = 900


def main() -> None:
    rng = np.random.default_rng(20250101)
    # cells of anakinra x group: 6, 4, 6 and 8 patients; the last one is large enough for DESeq2 to
    # replace count outliers in it
    cell = [("yes", "low")] * 6 + [("yes", "high")] * 4 + [("no", "low")] * 6 + [("no", "high")] * 8
    first = pd.DataFrame(cell, columns=["anakinra", "group"])
    first["patient"] = [f"p{i:02d}" for i in range(1, 25)]
    first["time"] = "day7"
    first["sex"] = ["f", "m", "f"] * 8
    first["age"] = rng.integers(35, 80, 24)
    # eight of the patients were sampled before treatment as well
    second = first.iloc[[0, 1, 6, 7, 10, 11, 16, 17]].assign(time="product")
    obs = pd.concat([first, second], ignore_index=True)
    obs.index = pd.Index([f"{p}_{t}" for p, t in zip(obs["patient"], obs["time"], strict=True)])

    n = len(obs)
    mean = np.exp(rng.normal(1.8, 1.9, GENES))
    dispersion = (0.05 + 1.2 / mean) * np.exp(rng.normal(0, 0.5, GENES))
    depth = np.exp(rng.normal(0, 0.45, n))
    log2 = np.zeros((n, GENES))
    high = (obs["group"] == "high").to_numpy()
    treated = (obs["anakinra"] == "yes").to_numpy()
    product = (obs["time"] == "product").to_numpy()
    men = (obs["sex"] == "m").to_numpy()
    log2[:, 0:60] += high[:, None] * rng.choice([-2.0, -1, 1, 2], 60)
    log2[:, 60:110] += (high & treated)[:, None] * rng.choice([-2.5, 2.5], 50)
    log2[:, 110:150] += treated[:, None] * rng.choice([-1.5, 1.5], 40)
    log2[:, 150:170] += men[:, None] * rng.choice([-3.0, 3], 20)
    log2[:, 170:190] += ((obs["age"].to_numpy() - 55) / 20)[:, None] * rng.choice([-1.0, 1], 20)
    log2[:, 190:250] += product[:, None] * rng.choice([-2.0, -1, 1, 2], 60)
    patient = pd.factorize(obs["patient"])[0]
    log2 += rng.normal(0, 0.35, (24, GENES))[patient]
    expected = mean * depth[:, None] * 2.0**log2
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * expected))
    # traps: genes without counts, genes absent from one arm, lone enormous counts
    counts[:, 890:900] = 0
    counts[np.ix_(~high, range(250, 270))] = 0
    counts[np.ix_(~treated, range(270, 280))] = 0
    for gene in range(280, 300):
        counts[rng.integers(0, 24), gene] += int(50 * mean[gene]) + 500

    # an outlier that every sample of the other group exceeds: no reason to set the gene aside
    for gene in range(300, 310):
        counts[:, gene] = rng.poisson(np.where(high, 300, 1) * depth)
        counts[gene - 300, gene] = rng.poisson(200 * depth[gene - 300])

    names = [f"gene{i:03d}" for i in range(1, GENES + 1)]
    table = pd.DataFrame(counts.T, index=pd.Index(names, name="gene"), columns=obs.index)
    with (HERE / "counts.csv.gz").open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as out:
        out.write(table.to_csv().encode())
    obs.rename_axis("sample").to_csv(HERE / "samples.csv")


if __name__ == "__main__":
    main()
