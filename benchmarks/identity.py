"""Who is each cell: the calls of the default run against the planted truth of SIMULATED studies.

    python benchmarks/identity.py [--seeds 0 1 2] [--cells 20000] [--out identity] [--keep FOLDER]

Each seed makes another study and walks the road to its annotated cells. Writes OUT.csv, the
measures seed by seed with what they are held to, OUT_reliability.csv, and OUT_confusion.csv with
both rules for T subsets.

Cells are those that quality control kept; doublets have no one identity and are left out of all
but the doublet measures, which are of all cells that were sequenced. A cell that was given no
label, or the label of another cell type, counts as wrong in every measure of accuracy.

The CAR rules are compared in T cells after infusion, in products and in blood, sorted or not:
`recommended` is the call, `published` one UMI. Recall at the published rule's precision is that of
the threshold on the probability at which the precision is no lower. The simulator draws expression
from pooled blood and plants the subsets by marker genes, so what is measured here is no measure of
real data: `benchmarks/car_reference.py` and the tests on real libraries are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score, roc_auc_score

import cartscope as cs
from cartscope import _keys as k
from cartscope.study import Settings, reproduce

if TYPE_CHECKING:
    from anndata import AnnData

BINS = [-0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0]
OTHER_SEEDS = (1, 2, 3)  # of Leiden, beside the run's own
PURITY = 0.95  # of a CAR sort, as one might name it
LEAST_CELLS = 50  # of a patient, below which a cycling fraction says little
TARGETS = {
    "cell types, ARI": (">", 0.9),
    "T subsets, balanced accuracy": (">", 0.8),
    "CAR, precision": (">", 0.95),
    "CAR, recall over published at its precision": (">", 0.0),
    "CAR, expected calibration error": ("<=", 0.05),
    "cycling, largest error of a patient (points)": ("<=", 3.0),
    "heterotypic doublets, AUROC": (">=", 0.85),
}


def read_truth(out: Path) -> pd.DataFrame:
    """Return the truth, indexed as the cells are."""
    truth = pd.read_csv(out / "work/simulated/truth/cells.csv.gz", keep_default_na=False)
    truth.index = truth["sample_id"] + "_" + truth["barcode"]
    for column in ("car", "cycling", "doublet"):
        truth[column] = truth[column].astype(str) == "True"
    return truth


def accuracy_of_types(cells: AnnData, truth: pd.DataFrame) -> dict[str, float]:
    """Return the agreement of cell types, for all and for the common ones apart."""
    said = cells.obs[k.obs.cell_type].astype(str)
    out = {
        "cell types, ARI": adjusted_rand_score(truth["cell_type"], said),
        "cell types, accuracy": float((said == truth["cell_type"]).mean()),
        "cell types, unassigned": float((said == k.UNASSIGNED).mean()),
    }
    for name, part in said.groupby(truth["cell_type"]):
        out[f"recall of {name}"] = float((part == name).mean())
    return out


def accuracy_of_subsets(cells: AnnData, truth: pd.DataFrame) -> dict[str, float]:
    """Return the balanced accuracy of T subsets over true T cells."""
    rows = (truth["cell_type"] == "T").to_numpy()
    said, true = cells.obs[k.obs.t_subset].astype(str)[rows], truth["t_subset"][rows]
    lineage = cells.obs[k.obs.t_lineage].astype(str)[rows]
    out = {
        "T subsets, balanced accuracy": _balanced(true, said),
        "T lineage, accuracy": float((lineage == truth["t_lineage"][rows]).mean()),
    }
    for name, part in said.groupby(true):
        out[f"recall of {name}"] = float((part == name).mean())
    gated = cs.tl.t_subsets(cells, rule="published", copy=True).obs[k.obs.t_subset]
    out["T subsets, balanced accuracy of the published gates"] = _balanced(
        true, gated.astype(str)[rows]
    )
    return out


def _balanced(true: pd.Series, said: pd.Series) -> float:
    with warnings.catch_warnings():  # a label that occurs among the calls alone is wrong, no more
        warnings.simplefilter("ignore", UserWarning)
        return float(balanced_accuracy_score(true, said))


def quality_of_car(cells: AnnData, truth: pd.DataFrame) -> tuple[dict[str, float], pd.DataFrame]:
    """Return precision, recall and calibration of both rules, and the reliability table."""
    obs = cells.obs
    after = (obs[k.obs.timepoint].astype(str) != k.timepoints.baseline).to_numpy()
    called_t = obs[k.obs.cell_type].isin(["T", k.UNASSIGNED]).to_numpy()
    asked = after & (called_t | truth["car"].to_numpy())
    p = obs[k.obs.car_probability].fillna(0).to_numpy()
    ours = (obs[k.obs.car_status] == k.car.positive).to_numpy()
    theirs = (obs[k.obs.car_counts] >= 1).to_numpy() & after
    product = (obs[k.obs.timepoint].astype(str) == k.timepoints.infusion_product).to_numpy()
    is_sorted = (obs[k.obs.sorted].astype(str).str.casefold() == "true").to_numpy()
    true = truth["car"].to_numpy()
    out: dict[str, float] = {}
    kinds = {
        "": asked,
        " in products": asked & product,
        " in unsorted blood": asked & ~product & ~is_sorted,
        " in sorted blood": asked & is_sorted,
    }
    for kind, at in kinds.items():
        bar, reference = _precision(theirs[at], true[at]), theirs[at & true].mean()
        out[f"CAR, precision{kind}"] = _precision(ours[at], true[at])
        out[f"CAR, recall{kind}"] = float(ours[at & true].mean())
        out[f"CAR, precision{kind}, published"] = bar
        out[f"CAR, recall{kind}, published"] = float(reference)
        same = recall_at(p[at], true[at], precision=bar)
        out[f"CAR, recall over published at its precision{kind}"] = same - float(reference)
        out[f"CAR, recall at precision 0.95{kind}"] = recall_at(p[at], true[at], precision=0.95)
    called = obs[k.obs.car_status].astype(str).to_numpy()
    out["CAR, unknown"] = float((called[asked] == k.car.unknown).mean())
    out["CAR, Brier score"] = float(((p - true)[asked] ** 2).mean())
    out["CAR, Brier score of saying the share"] = float(true[asked].var())
    bins = pd.cut(p[asked], BINS)
    table = pd.DataFrame({"said": p[asked], "true": true[asked].astype(float)})
    table = table.groupby(bins, observed=True).agg(
        said=("said", "mean"), true=("true", "mean"), n=("true", "size")
    )
    gap = (table["said"] - table["true"]).abs()
    out["CAR, expected calibration error"] = float((gap * table["n"]).sum() / table["n"].sum())
    return out, table.rename_axis("probability").reset_index()


def quality_with_purity(ctx: object, cells: AnnData, truth: pd.DataFrame) -> dict[str, float]:
    """Return what naming the purity of the sort changes; the road's own rule is blind to it."""
    found = cells.uns[k.uns.cartscope][k.uns.car_features_by_sample]
    settings = {
        "product_key": k.obs.sample,
        "controls": ctx.manifests.annotation.car.controls,
        "none_where": {k.obs.timepoint: ctx.manifests.cohort.car_absent_timepoints},
        "sort_purity": PURITY,
    }
    features = {str(sample): tuple(names) for sample, names in found.items()}
    told = cs.tl.car_status(cells, features=features, settings=settings, copy=True).obs
    at = (told[k.obs.sorted].astype(str).str.casefold() == "true").to_numpy()
    at &= (told[k.obs.cell_type] == "T").to_numpy()
    called, true = (told[k.obs.car_status] == k.car.positive).to_numpy(), truth["car"].to_numpy()
    gap = [abs((frame[k.obs.car_probability] - true)[at].mean()) for frame in (cells.obs, told)]
    return {
        f"CAR, precision in sorted blood, purity {PURITY} named": _precision(called[at], true[at]),
        f"CAR, recall in sorted blood, purity {PURITY} named": float(called[at & true].mean()),
        "CAR, error of the share in sorted blood": float(gap[0]),
        f"CAR, error of the share in sorted blood, purity {PURITY} named": float(gap[1]),
    }


def _precision(called: np.ndarray, true: np.ndarray) -> float:
    return float(true[called].mean()) if called.any() else float("nan")


def recall_at(p: np.ndarray, true: np.ndarray, *, precision: float) -> float:
    """Return the highest recall of a threshold on the probability with at least this precision."""
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(true[order])
    last = np.append(np.diff(p[order]) != 0, True)  # ties are called together
    good = last & (hits / np.arange(1, len(p) + 1) >= precision)
    return float(hits[good].max() / max(true.sum(), 1)) if good.any() else 0.0


def error_of_cycling(cells: AnnData, truth: pd.DataFrame) -> dict[str, float]:
    """Return how far the cycling fractions of patients are from the planted ones."""
    table = pd.DataFrame(
        {
            "patient": cells.obs[k.obs.patient].astype(str).to_numpy(),
            "sample": cells.obs[k.obs.sample].astype(str).to_numpy(),
            "said": cells.obs[k.obs.cycling].astype(float).to_numpy(),
            "true": truth["cycling"].astype(float).to_numpy(),
        }
    )
    out = {}
    for level, what in (("patient", "a patient"), ("sample", "a sample")):
        means = table.groupby(level)[["said", "true"]].mean()
        means = means[table.groupby(level).size() >= LEAST_CELLS]
        error = 100 * (means["said"] - means["true"]).abs()
        out[f"cycling, largest error of {what} (points)"] = float(error.max())
        out[f"cycling, mean error of {what} (points)"] = float(error.mean())
    out["cycling, share"] = float(table["true"].mean())
    return out


def quality_of_doublets(ctx: object) -> dict[str, float]:
    """Score doublets as the road does, but keep those that it drops."""
    from cartscope.study.steps.qc import _score_doublets

    cells = cs.io.read_cells(ctx.path("work/ingest.h5ad"))
    p = ctx.preset.values("qc")
    cs.pp.qc(
        cells,
        min_genes=p["min_genes"],
        max_pct_mito=p["max_pct_mito"],
        max_hbb=p["max_hbb"],
        mad=p["mad"] or None,
    )
    _score_doublets(ctx, cells, key=p["doublet_key"])
    truth = read_truth(ctx.settings.out).loc[cells.obs_names]
    score = cells.obs[k.obs.doublet_score].to_numpy(dtype=float)
    kind = truth["doublet_kind"].to_numpy()
    at = np.isfinite(score) & (kind != "homotypic")
    two = kind == "heterotypic"
    called = cells.obs[k.obs.predicted_doublet].astype(bool).to_numpy()
    within = []
    for sample in cells.obs[k.obs.sample].unique():
        here = at & (cells.obs[k.obs.sample] == sample).to_numpy()
        if (two & here).sum() >= 3:
            within.append(roc_auc_score(two[here], score[here]))
    return {
        "heterotypic doublets, AUROC": float(roc_auc_score(two[at], score[at])),
        "heterotypic doublets, mean AUROC within libraries": float(np.mean(within)),
        "heterotypic doublets, called": float(called[at & two].mean()),
        "single cells, called doublets": float(called[at & ~two].mean()),
        "heterotypic doublets in libraries that are scored": float((two & at).sum() / two.sum()),
    }


def stability(ctx: object, cells: AnnData) -> dict[str, float]:
    """Return how far cell types agree when Leiden starts from other seeds."""
    manifest = ctx.manifests.annotation
    first = cells.obs[k.obs.cell_type].astype(str).to_numpy()
    again = cells.copy()
    agree, ari = [], []
    for seed in OTHER_SEEDS:
        resolution = ctx.preset.values("embedding")["resolution"]
        cs.tl.leiden(again, resolution=resolution, random_state=1000 + seed)
        cs.tl.annotate(
            again,
            markers=manifest.markers(ctx.preset.cells.annotation.value),
            minimum=manifest.assign.minimum,
            margin=manifest.assign.margin,
        )
        said = again.obs[k.obs.cell_type].astype(str).to_numpy()
        agree.append(float((said == first).mean()))
        ari.append(adjusted_rand_score(first, said))
    return {
        "cell types, lowest agreement over seeds of Leiden": min(agree),
        "cell types, lowest ARI over seeds of Leiden": min(ari),
    }


def judge(out: Path, *, seed: int, n_cells: int) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    """Walk the road to the cells and hold them against the truth."""
    run = reproduce(Settings(out=out, cells=n_cells, seed=seed, jobs=1), only=["cells"])
    ctx = run.context
    cells = ctx.cells("cells", exactly=True)
    truth = read_truth(out).loc[cells.obs_names]
    values = quality_of_doublets(ctx)
    values |= stability(ctx, cells)
    single = (~truth["doublet"]).to_numpy()
    cells, truth = cells[single].copy(), truth[single]
    values |= accuracy_of_types(cells, truth)
    values |= accuracy_of_subsets(cells, truth)
    car, reliability = quality_of_car(cells, truth)
    values |= car
    values |= quality_with_purity(ctx, cells, truth)
    values |= error_of_cycling(cells, truth)
    values["cells judged"] = float(cells.n_obs)
    confusion = {"recommended": _confusion(cells.obs, truth)}
    gated = cs.tl.t_subsets(cells, rule="published", copy=True).obs
    confusion["published gates"] = _confusion(gated, truth)
    confused = pd.concat(confusion, names=["rule"]).fillna(0)
    return values, reliability, confused


def _confusion(said: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Count cells by true and said label: T subsets, and the types of other cells."""
    is_t = (said[k.obs.cell_type] == "T").to_numpy()
    subsets = said[k.obs.t_subset].astype(str)
    return pd.crosstab(
        truth["t_subset"].where(truth["cell_type"] == "T", truth["cell_type"]).to_numpy(),
        subsets.where(is_t, said[k.obs.cell_type].astype(str)).to_numpy(),
        rownames=["true"],
        colnames=["said"],
    )


def against_targets(table: pd.DataFrame) -> pd.DataFrame:
    """Put the target, and whether every seed meets it, beside the measures that have one."""
    seeds = table.columns.tolist()
    table["target"], table["met"] = "", ""
    for name, (sign, value) in TARGETS.items():
        row = table.loc[name, seeds].astype(float)
        good = {">": row > value, ">=": row >= value, "<=": row <= value}[sign]
        table.loc[name, ["target", "met"]] = [f"{sign} {value:g}", "yes" if good.all() else "no"]
    return table.loc[[*TARGETS, *[n for n in table.index if n not in TARGETS]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("identity"), help="without suffix")
    parser.add_argument("--keep", type=Path, help="folder for the runs, found again next time")
    options = parser.parse_args()
    values, reliability, confusion = {}, {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for seed in options.seeds:
            name = f"seed {seed}"
            values[name], reliability[name], confusion[name] = judge(
                folder / f"s{seed}", seed=seed, n_cells=options.cells
            )
    table = against_targets(pd.DataFrame(values)).rename_axis("measure")
    calibration = pd.concat(reliability, names=["run"]).reset_index("run")
    confused = pd.concat(confusion, names=["run"]).fillna(0).astype(int)
    table.to_csv(f"{options.out}.csv", float_format="%.4f")
    calibration.to_csv(f"{options.out}_reliability.csv", index=False, float_format="%.4f")
    confused.to_csv(f"{options.out}_confusion.csv")
    print(table.to_string(float_format=lambda x: f"{x:.3f}"))
    print("\nprobability of being a CAR T cell, said and true")
    print(calibration.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
