"""Agreement with R's DESeq2 on real, sparse pseudobulk: designs whose answers are stored nowhere.

    CARTSCOPE_REFERENCE=FOLDER python benchmarks/de_r.py

FOLDER holds ``kang2k`` (Kang 2018 PBMC pseudobulk: ``pb_cd14_*`` and ``more/``). Needs R with
Bioconductor's DESeq2 (Debian: r-bioc-deseq2); R's answers live in a temporary folder. Jaccard: of
the genes called at FDR 0.05, with independent filtering and Cook's distances, and without.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from anndata import AnnData

from cartscope.tl import fit_differential_expression

ALPHA = 0.05


class Case(NamedTuple):
    """One design on one table of counts; ``ctrl`` and ``stim`` are how many samples are drawn."""

    name: str
    table: str
    design: str = "~ condition"
    drawn: tuple[int, int] | None = None
    relabeled: bool = False


CASES = (
    Case("cd14_unpaired", "pb_cd14"),
    Case("cd14_paired", "pb_cd14", "~ donor + condition"),
    Case("cd14_depth", "pb_cd14", "~ depth + condition"),
    Case("cd14_6v4", "pb_cd14", drawn=(6, 4)),
    Case("cd14_4v4", "pb_cd14", drawn=(4, 4)),
    Case("cd14_relabeled", "pb_cd14", relabeled=True),
    Case("cd4_unpaired", "more/pb_cd4"),
    Case("cd4_paired", "more/pb_cd4", "~ donor + condition"),
    Case("cd4_depth", "more/pb_cd4", "~ depth + condition"),
    Case("cd4_5v3", "more/pb_cd4", drawn=(5, 3)),
    Case("cd4_3v2", "more/pb_cd4", drawn=(3, 2)),
    Case("cd4_relabeled", "more/pb_cd4", relabeled=True),
    Case("both_additive", "more/pb_cd14cd4", "~ cell_type + condition"),
    Case("both_crossed", "more/pb_cd14cd4", "~ cell_type * condition"),
    Case("both_cell_type", "more/pb_cd14cd4", "~ donor + condition + cell_type"),
    Case("both_interaction", "more/pb_cd14cd4", "~ donor + cell_type * condition"),
)


def read(case: Case, folder: Path) -> AnnData:
    """Return the samples of a case; which ones are drawn depends on its name alone."""
    counts = pd.read_csv(folder / f"{case.table}_counts.csv.gz", index_col=0).T
    obs = pd.read_csv(folder / f"{case.table}_meta.csv", dtype=str).set_index("sample")
    obs = obs.loc[counts.index]
    rng = np.random.default_rng(list(case.name.encode()))
    if case.drawn:
        chosen = [
            rng.choice(obs.index[obs["condition"] == level], n, replace=False)
            for level, n in zip(("ctrl", "stim"), case.drawn, strict=True)
        ]
        counts, obs = (t.loc[np.concatenate(chosen)] for t in (counts, obs))
    if case.relabeled:  # half of the controls against the others: nothing differs
        counts, obs = (t[(obs["condition"] == "ctrl").to_numpy()] for t in (counts, obs))
        obs = obs.assign(condition=rng.permutation(["ctrl", "stim"] * (len(obs) // 2)))
    depth = np.log(obs["libsize"].astype(float))
    kept = obs[[c for c in ("condition", "donor", "cell_type") if c in obs]]
    return AnnData(
        counts.astype(np.float64), obs=kept.assign(depth=(depth - depth.mean()) / depth.std())
    )


def ask_r(data: dict[str, AnnData], folder: Path) -> None:
    for case in CASES:
        table = data[case.name]
        table.to_df().T.astype(int).to_csv(folder / f"{case.name}_counts.csv")
        table.obs.to_csv(folder / f"{case.name}_samples.csv")
        (folder / f"{case.name}_design.txt").write_text(case.design + "\n")
    (folder / "designs.txt").write_text("\n".join(c.name for c in CASES) + "\n")
    script = Path(__file__).with_suffix(".R")
    subprocess.run(["Rscript", "--vanilla", str(script), str(folder)], check=True)


def jaccard(a: pd.Series, b: pd.Series) -> float:
    first, second = (set(x.index[x < ALPHA]) for x in (a, b))
    return len(first & second) / len(first | second) if first | second else np.nan


def compare(case: Case, data: AnnData, folder: Path) -> dict[str, object]:
    r = pd.read_csv(folder / f"{case.name}_r.csv").set_index("gene")
    start = time.perf_counter()
    fit = fit_differential_expression(data, design=case.design)
    table = fit.test(fit.design.names[-1]).set_index("gene")
    seconds = time.perf_counter() - start
    options = {"cooks": False, "independent_filtering": False}
    plain = fit_differential_expression(data, design=case.design, **options)
    plain_fdr = plain.test(plain.design.names[-1]).set_index("gene")["fdr"]
    apart = (table["se"] / r["se"] - 1).abs()
    return {
        "design": case.name,
        "samples": data.n_obs,
        "called": int((table["fdr"] < ALPHA).sum()),
        "by R": int((r["fdr"] < ALPHA).sum()),
        "Jaccard": jaccard(table["fdr"], r["fdr"]),
        "unfiltered": jaccard(plain_fdr, r["plain"]),
        "filter differs": int((table["fdr"].isna() != r["fdr"].isna()).sum()),
        "SE off, median": apart.median(),
        "SE off, 99%": apart.quantile(0.99),
        "seconds": seconds,
        "R": float((folder / f"{case.name}_seconds.txt").read_text()),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if "CARTSCOPE_REFERENCE" not in os.environ or shutil.which("Rscript") is None:
        sys.exit("set CARTSCOPE_REFERENCE to a folder that holds kang2k, and install R with DESeq2")
    source = Path(os.environ["CARTSCOPE_REFERENCE"]) / "kang2k"
    data = {case.name: read(case, source) for case in CASES}
    with tempfile.TemporaryDirectory() as name:
        ask_r(data, Path(name))
        compare(CASES[0], data[CASES[0].name], Path(name))  # compiles
        rows = [compare(case, data[case.name], Path(name)) for case in CASES]
    print(pd.DataFrame(rows).set_index("design").round(4).to_string())


if __name__ == "__main__":
    main()
