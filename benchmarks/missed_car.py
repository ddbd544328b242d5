"""Missed CAR T cells among the CAR- T cells: what is told of them, against the planted truth.

    python benchmarks/missed_car.py [--memory 12] [--road 0] [--cells 20000] [--out missed_car]
                                    [--keep FOLDER] [--reference DIR]

null      expansion differs by grade, nothing differs in T cells without a CAR
planted   the simulator's own effects on cycling and composition

Each is drawn --memory times straight into memory, with true cell types, subsets and cell cycle and
the published rule of one UMI, so that the correction is judged and nothing else; and --road times
as a study on disk that walks the whole road, with its own labels, calls and the recommended rule.
--keep keeps the annotated cells of the road, which then are found again.

One line per patient is a library of day-7 blood. `raw` is the share among CAR- T cells, `as found`
takes missed cells out as if they were like found ones, `detection` by the chance to be found at
each cell's depth. They are held against the library's T cells without a CAR. `between` is the
mean error of patients with CRS >= 2 less that of the others, which is what a comparison sees; the
U test compares the same patients. OUT.csv holds every patient.

--reference: DIR/carpall (libraries of another trial, never redistributed). All T cells of a
CAR-sorted library, which the authors call CAR T cells, thinned to a share of their reads and put
into unsorted blood. Cells picked for having a CAR count would not do: nothing could be missed among
them but by thinning. Impurities of the sort and silent CARs count as missed cells in this truth.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import anndata as ad
import numpy as np
import pandas as pd
from car_reference import FEATURE, PAIRS, read_libraries

import cartscope as cs
from cartscope import _keys as k
from cartscope.simulate._arguments import strength_of
from cartscope.simulate._design import libraries
from cartscope.simulate._library import simulate_library
from cartscope.simulate._sizes import library_sizes
from cartscope.simulate._tables import sample_row
from cartscope.study import Settings, reproduce

SETTINGS = {
    "controls": ("CD14 monocyte", "CD16 monocyte", "NK", "B", "pDC", "cDC"),
    "none_where": {k.obs.timepoint: [k.timepoints.baseline]},
}
GIVEN = (k.obs.patient, k.obs.timepoint, k.obs.sorted, k.obs.crs_grade, k.obs.anakinra)
WAYS = ("raw", "as found", "detection")
CRS_HIGH = 2
THIN, SHARES = (0.1, 0.2, 0.4, 0.8, 1.0), (0.05, 0.2, 0.5)


def in_memory(seed: int, *, null: bool, n_cells: int) -> ad.AnnData:
    """Draw the day-7 libraries; labels are the truth, the rule is that of one UMI."""
    sizes, parts = library_sizes(n_cells, random_state=seed, failed_library=False), []
    for lib in libraries():
        if lib.timepoint != k.timepoints.day7:
            continue
        made = simulate_library(
            lib, sizes[lib.sample_id], strength=strength_of(1.0, null=null), random_state=seed
        )
        keep = ~made.truth["doublet"].to_numpy() & (made.truth["damage"] == "").to_numpy()
        counts, obs = made.counts[keep], made.truth[keep].copy()
        row = sample_row(lib, made.truth, ambient=made.ambient_share)
        obs[k.obs.sample] = lib.sample_id
        for column in GIVEN:
            obs[column] = row[column]
        # the last two columns are the two CAR transcripts
        obs["car_umi"] = np.asarray(counts[:, -2:].sum(axis=1)).ravel()
        obs["depth"] = np.asarray(counts.sum(axis=1)).ravel()
        parts.append(obs)
    obs = pd.concat(parts)
    obs.index = obs["sample_id"] + "_" + obs["barcode"]
    obs["true_car"] = obs["car"]
    adata = _of_two_genes(obs)
    cs.tl.car_status(adata, features=["car"], rule="published", settings=SETTINGS)
    return adata


def on_the_road(folder: Path, seed: int, *, null: bool, n_cells: int) -> ad.AnnData:
    """Walk a study's road to its annotated cells; labels and calls are the road's own."""
    kept = folder / f"{'null' if null else 'planted'}{seed}.h5ad"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            study, out = Path(scratch) / "study", Path(scratch) / "results"
            cs.simulate.simulate(study, cells=n_cells, seed=seed, null=null)
            run = reproduce(Settings(data=str(study), out=out, seed=seed), only=["cells"])
            cells = run.context.cells("cells", exactly=True)
            truth = pd.read_csv(study / "truth/cells.csv.gz", keep_default_na=False)
        truth.index = truth["sample_id"] + "_" + truth["barcode"]
        obs = cells.obs.copy()
        obs["true_car"] = truth.loc[obs.index, "car"].astype(str) == "True"
        obs["depth"] = np.asarray(cells.layers[k.layers.counts].sum(axis=1)).ravel()
        ad.AnnData(obs=obs).write_h5ad(kept)
    obs = ad.read_h5ad(kept).obs
    obs["car_umi"] = obs[k.obs.car_counts]
    return _of_two_genes(obs[obs[k.obs.timepoint].astype(str) == k.timepoints.day7])


def _of_two_genes(obs: pd.DataFrame) -> ad.AnnData:
    """Return cells whose matrix holds what matters here: CAR counts, and all others."""
    car, depth = obs["car_umi"].to_numpy(dtype=float), obs["depth"].to_numpy(dtype=float)
    adata = ad.AnnData(np.column_stack([car, depth - car]), obs=obs.copy())
    adata.var_names = ["car", "other"]
    return adata


def judge(adata: ad.AnnData) -> pd.DataFrame:
    """Return a row per patient and part: truth and what each way makes of it."""
    before = cs.tl.car_audit(adata, settings=SETTINGS).set_index("sample")["missed_share"]
    cs.tl.car_detection(adata, settings=SETTINGS)
    unsorted = adata.obs[k.obs.sorted].astype(str).str.casefold() != "true"
    t = adata[((adata.obs[k.obs.cell_type] == "T") & unsorted).to_numpy()]
    status = t.obs[k.obs.car_status].astype(str)
    patient = t.obs[k.obs.patient].astype(str)
    one = t.obs.groupby(patient)
    table = pd.DataFrame(
        {
            "crs_high": one[k.obs.crs_grade].first().astype(float) >= CRS_HIGH,
            "missed_true": t.obs["true_car"][status == "negative"].groupby(patient).mean(),
            "missed_before": before.reindex(one[k.obs.sample].first().astype(str)).to_numpy(),
        }
    )
    innate = t[(~t.obs["true_car"]).to_numpy()]
    rows = []
    for parts in (k.obs.cycling, k.obs.t_lineage, k.obs.t_subset):
        new = cs.tl.innate_fractions(t, parts=parts)
        shares = [
            _shares(t[(status == name).to_numpy()], parts) for name in ("negative", "positive")
        ]
        old = cs.tl.correct_missed(*shares, table["missed_before"].dropna().to_dict())
        true = _shares(innate, parts).rename(columns={"fraction": "true"})
        key = ["sample_or_patient", "population"]
        both = new.merge(old[[*key, "fraction"]].rename(columns={"fraction": "as found"}), on=key)
        rows.append(both.merge(true[[*key, "true"]], on=key))
    out = pd.concat(rows).rename(columns={"observed": "raw", "fraction": "detection"})
    return out.join(table, on="sample_or_patient")


def _shares(cells: ad.AnnData, parts: str) -> pd.DataFrame:
    if parts == k.obs.cycling:
        return cs.tl.cycling_fractions(cells, population=parts)
    return cs.tl.composition_fractions(cells, parts=parts)


def of_missed(table: pd.DataFrame) -> pd.DataFrame:
    """Return how well the share of missed CAR T cells among the CAR- cells is told."""
    one = table[table["population"] == k.obs.cycling]
    rows = []
    for way, column in (("before", "missed_before"), ("detection", "missed_share")):
        error = one[column] - one["missed_true"]
        rows.append(
            {
                "way": way,
                "patients": len(one),
                "true": one["missed_true"].mean(),
                "bias": error.mean(),
                "rmse": np.sqrt((error**2).mean()),
                "correlation": one[column].corr(one["missed_true"]),
                "between": error[one["crs_high"]].mean() - error[~one["crs_high"]].mean(),
            }
        )
    held = (one["missed_true"] >= one["missed_low"]) & (one["missed_true"] <= one["missed_high"])
    rows[1]["in interval"] = held.mean()
    return pd.DataFrame(rows)


def of_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return, part by part and way by way, the errors and how often the U test rejects."""
    rows = []
    for population, part in table.groupby("population"):
        for way in WAYS:
            error = 100 * (part[way] - part["true"])
            high = part["crs_high"]
            p = [_p_value(run, way) for _, run in part.groupby("run")]
            rows.append(
                {
                    "part": population,
                    "way": way,
                    "true": 100 * part["true"].mean(),
                    "bias": error.mean(),
                    "between": error[high].mean() - error[~high].mean(),
                    "between, se": _se_of_runs(part.assign(error=error)),
                    "rmse": np.sqrt((error**2).mean()),
                    "p < 0.05": f"{sum(x < 0.05 for x in p)} of {len(p)}",
                    "clipped": int(part["clipped"].sum()) if way == "detection" else "",
                }
            )
    return pd.DataFrame(rows)


def _se_of_runs(part: pd.DataFrame) -> float:
    high = part[part["crs_high"]].groupby("run")["error"].mean()
    gaps = high - part[~part["crs_high"]].groupby("run")["error"].mean()
    return float(gaps.std() / np.sqrt(len(gaps)))


def _p_value(run: pd.DataFrame, way: str) -> float:
    fractions = run.assign(fraction=run[way])
    levels = dict(zip(run["sample_or_patient"], run["crs_high"], strict=True))
    table = cs.tl.compare_fractions(fractions, levels, contrast=(True, False))
    return float(table["p_value"].iloc[0])


def real_mixtures(folder: Path, *, seeds: int) -> pd.DataFrame:
    """Put thinned cells of CAR-sorted libraries into unsorted blood of the same patients."""
    cells = read_libraries(folder)
    counts = cells.layers[k.layers.counts].tocsc()
    car = counts[:, cells.var_names.get_loc(FEATURE)].toarray().ravel().astype(int)
    depth = np.asarray(counts.sum(axis=1)).ravel().astype(int)
    sample = cells.obs[k.obs.sample].to_numpy()
    types = cells.obs[k.obs.cell_type].astype(str).to_numpy()
    rows = []
    for patient, thin, share, seed in itertools.product(PAIRS, THIN, SHARES, range(seeds)):
        rng = np.random.default_rng([seed, round(100 * thin), round(100 * share)])
        source, into = PAIRS[patient]
        blood = np.flatnonzero((sample == into) & (car == 0))
        donors = np.flatnonzero((sample == source) & cells.obs["author"].to_numpy())
        n = min(round(share / (1 - share) * len(blood)), len(donors))
        blood = rng.choice(blood, min(len(blood), round(n * (1 - share) / share)), replace=False)
        donors = rng.choice(donors, n, replace=False)
        umi = rng.binomial(car[donors], thin)
        obs = pd.DataFrame(
            {
                k.obs.sample: "mixture",
                k.obs.cell_type: types[np.concatenate([blood, donors])],
                "car_umi": np.concatenate([np.zeros(len(blood), int), umi]),
                "depth": np.concatenate(
                    [depth[blood], umi + rng.binomial(depth[donors] - car[donors], thin)]
                ),
                "true_car": np.repeat([False, True], [len(blood), n]),
            }
        )
        obs.index = obs.index.astype(str)
        mixed = _of_two_genes(obs[obs["depth"] >= 300])
        cs.tl.car_status(mixed, features=["car"], rule="published")
        before = cs.tl.car_audit(mixed)["missed_share"].iloc[0]
        cs.tl.car_detection(mixed)
        after = cs.tl.car_audit(mixed).iloc[0]
        negative = (mixed.obs[k.obs.cell_type] == "T") & (mixed.obs[k.obs.car_status] == "negative")
        told = mixed.obs[k.obs.car_detection].notna().all()
        rows.append(
            {
                "patient": patient,
                "reads": thin,
                "share": share,
                "true": mixed.obs["true_car"][negative].mean(),
                "before": before,
                "detection": after["missed_share"] if told else np.nan,
                "low": after["missed_low"],
                "high": after["missed_high"],
            }
        )
    return pd.DataFrame(rows)


def say_mixtures(table: pd.DataFrame) -> None:
    told = table.dropna(subset=["detection"])
    means = told.groupby(["patient", "reads", "share"])[["true", "before", "detection"]].mean()
    print("\nreal mixtures: share of missed CAR T cells among CAR- T cells, means over seeds")
    print(means.round(3).to_string())
    print(f"not identifiable: {len(table) - len(told)} of {len(table)}")
    for way in ("before", "detection"):
        both = told.dropna(subset=[way])
        error = both[way] - both["true"]
        rmse, r = np.sqrt((error**2).mean()), both[way].corr(both["true"])
        print(f"{way}: bias {error.mean():+.3f}, rmse {rmse:.3f}, correlation {r:.2f}")
    held = (told["true"] >= told["low"]) & (told["true"] <= told["high"])
    print(f"in the 95% interval: {held.mean():.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", type=int, default=12, help="cohorts of each kind")
    parser.add_argument("--road", type=int, default=0, help="cohorts of each kind")
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("missed_car"), help="without suffix")
    parser.add_argument("--keep", type=Path, help="folder for the road's cells")
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    tables = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for null, (where, n) in itertools.product(
            (True, False), (("memory", options.memory), ("road", options.road))
        ):
            for seed in range(n):
                how = {"null": null, "n_cells": options.cells}
                adata = (
                    in_memory(seed, **how)
                    if where == "memory"
                    else on_the_road(folder, seed, **how)
                )
                kind = f"{'null' if null else 'planted'}, {where}"
                tables.append(judge(adata).assign(kind=kind, run=f"{kind} {seed}"))
    if tables:
        table = pd.concat(tables, ignore_index=True)
        table.to_csv(options.out.with_suffix(".csv"), index=False)
        for kind, part in table.groupby("kind"):
            print(f"\nSIMULATED, {kind}: CAR T cells among the CAR- T cells, 0-1")
            print(of_missed(part).round(4).to_string(index=False))
            print(f"\nSIMULATED, {kind}: shares among T cells without a CAR, %")
            print(of_shares(part).round(2).to_string(index=False))
    if options.reference is not None:
        mixtures = real_mixtures(options.reference / "carpall", seeds=3)
        mixtures.to_csv(options.out.with_name(f"{options.out.name}_real.csv"), index=False)
        say_mixtures(mixtures)


if __name__ == "__main__":
    main()
