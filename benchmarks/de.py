"""Time and agreement of the DESeq2 engine, beside PyDESeq2 as it is shipped.

    python benchmarks/de.py                         20 SIMULATED samples x 10,000 genes
    python benchmarks/de.py --reference FOLDER      and agreement with R on real pseudobulk

Both run on one thread. The first fit of a process compiles (or loads what an earlier process
compiled); a study makes dozens of fits, so the second is what counts.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from anndata import AnnData

from cartscope.tl import compare_engines, differential_expression, fit_differential_expression


def simulate(samples: int, genes: int) -> AnnData:
    """Negative binomial pseudobulk of two groups and two sexes; a tenth of the genes differ."""
    rng = np.random.default_rng(0)
    group = np.arange(samples) % 2
    obs = pd.DataFrame(
        {"group": np.where(group, "high", "low"), "sex": rng.choice(["f", "m"], samples)},
        index=[f"p{i}" for i in range(samples)],
    )
    obs["patient"] = [f"q{i // 2}" for i in range(samples)]
    mean = np.exp(rng.normal(2, 2, genes))
    dispersion = (0.05 + 1 / mean) * np.exp(rng.normal(0, 0.5, genes))
    effect = np.where(rng.random(genes) < 0.1, rng.normal(0, 1.5, genes), 0)
    expected = mean * np.exp(rng.normal(0, 0.4, samples))[:, None] * 2 ** (group[:, None] * effect)
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * expected))
    return AnnData(counts.astype(np.float64), obs=obs)


def clock(call) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def speed(samples: int, genes: int) -> None:
    data = simulate(samples, genes)
    print(f"\n{samples} samples x {genes:,} genes, seconds")
    titles = ("first fit", "next fit", "a contrast", "PyDESeq2")
    print(f"{'design':<22}" + "".join(f"{t:>12}" for t in titles) + f"{'times':>8}")
    for design in ("~ group", "~ sex + group", "~ sex * group", "~ patient + group"):
        arguments = {"design": design}
        first, _ = clock(lambda: fit_differential_expression(data, **arguments))  # noqa: B023
        fit_time, fit = clock(lambda: fit_differential_expression(data, **arguments))  # noqa: B023
        test_time, mended = clock(lambda: fit.test(("group", "high", "low")))  # noqa: B023
        shipped_time, _ = clock(
            lambda: differential_expression(
                data,
                **arguments,  # noqa: B023
                contrast=("group", "high", "low"),
                r_faithful=False,
            )
        )
        times = shipped_time / (fit_time + test_time)
        print(
            f"{design:<22}{first:>12.2f}{fit_time:>12.2f}{test_time:>12.3f}"
            f"{shipped_time:>12.2f}{times:>8.1f}"
        )
        assert len(mended) == genes


def agreement(folder: Path) -> None:
    folder = folder / "kang2k"
    counts = pd.read_csv(folder / "pb_cd14_counts.csv.gz", index_col=0).T
    meta = pd.read_csv(folder / "pb_cd14_meta.csv", dtype=str).set_index("sample")
    print("\ngenes called at FDR 0.05, Jaccard with R's DESeq2 1.38.3")
    for name, design in (
        ("cd14_unpaired_deseq2", "~ condition"),
        ("cd14_paired_deseq2", "~ donor + condition"),
    ):
        r = pd.read_csv(folder / "de" / f"{name}.csv.gz")
        answer = pd.DataFrame(
            {
                "contrast": "x",
                "gene": r["gene"],
                "base_mean": r["baseMean"],
                "log2_fc": r["log2FoldChange"],
                "se": r["lfcSE"],
                "stat": r["stat"],
                "p_value": r["pvalue"],
                "fdr": r["padj"],
            }
        )
        data = AnnData(counts[r["gene"]].astype(np.float64), obs=meta.loc[counts.index])
        for label, options in (
            ("cartscope", {}),
            ("PyDESeq2 at R's alpha", {"r_faithful": False}),
            ("PyDESeq2 as shipped", {"r_faithful": False, "alpha": 0.05}),
        ):
            table = differential_expression(data, design=design, name="x", **options)
            row = compare_engines(table, answer, names=(label, "R")).iloc[0]
            print(
                f"{name:<24}{label:<24}{row['n_a']:>6}{row['n_b']:>6}  {row['jaccard']:.4f}"
                f"  rank correlation {row['rank_correlation']:.6f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--genes", type=int, default=10_000)
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    speed(options.samples, options.genes)
    if options.reference:
        agreement(options.reference)


if __name__ == "__main__":
    main()
