"""What is in each droplet: cells, doublets, damage, molecules, and the truth about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope.simulate._design import NEW, Library
from cartscope.simulate._programs import PROGRAMS, program_genes

if TYPE_CHECKING:
    from cartscope.simulate._effects import State

DOUBLETS, DYING, FEW_GENES, HBB_HIGH = 0.045, 0.03, 0.02, 0.01
_MOLECULES = {
    "T": 3000, "CD14 monocyte": 4200, "CD16 monocyte": 4000, "NK": 2800, "B": 2900, "pDC": 4600,
    "cDC": 5600, "platelet": 900, "erythroid": 2400, "ICANS-associated": 7000, "LAMP3+": 7500,
}  # fmt: skip
_PRODUCT_T = 6200


def draw_droplets(sound: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    size = len(sound)
    extra = {
        "doublet": rng.binomial(size, DOUBLETS),
        "dying": rng.binomial(size, DYING),
        "few genes": rng.binomial(size, FEW_GENES),
        "HBB-high": rng.binomial(size, HBB_HIGH),
    }
    first = np.concatenate([sound, *[rng.choice(sound, c) for c in extra.values()]])
    state = np.repeat(["", *extra], [size, *extra.values()])
    second = np.full(len(first), -1, np.int64)
    second[state == "doublet"] = rng.choice(sound, extra["doublet"])
    order = rng.permutation(len(first))
    return {"first": first[order], "second": second[order], "state": state[order]}


def draw_molecules(
    lib: Library,
    kinds: list[State],
    droplets: dict[str, np.ndarray],
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    depth = np.exp(rng.normal(0, 0.18)) * (1.1 if lib.patient.study == NEW else 1.0)
    typical = np.array(
        [
            (_PRODUCT_T if lib.product and s.cell_type == "T" else _MOLECULES[s.cell_type])
            * (1.5 if s.phase != "G1" else 1.0)
            * (1.2 if s.car else 1.0)
            for s in kinds
        ]
    )
    index = np.stack([droplets["first"], droplets["second"]], axis=1)
    noise = np.exp(rng.normal(0, 0.36, index.shape))
    return np.where(index >= 0, typical[np.maximum(index, 0)] * depth * noise, 0.0)


def damage(
    droplets: dict[str, np.ndarray],
    molecules: np.ndarray,
    *,
    activity: np.ndarray,
    profiles: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Turn the droplets that are to be damaged into what they are, in place."""
    names = list(PROGRAMS)
    genes = program_genes()
    state, first = droplets["state"], droplets["first"]
    dying = np.flatnonzero(state == "dying")
    mito = profiles[:, genes["mito"]].sum(1)[first[dying]]
    target = rng.uniform(0.18, 0.65, len(dying))
    molecules[dying, 0] *= rng.uniform(0.25, 0.7, len(dying)) * (1 - target) / (1 - mito)
    activity[dying, 0, names.index("mito")] = target / (1 - target) * (1 - mito) / mito
    red = np.flatnonzero(state == "HBB-high")
    heme = profiles[:, genes["heme"]].sum(1)[first[red]]
    activity[red, 0, names.index("heme")] = rng.uniform(0.06, 0.2, len(red)) / heme
    few = np.flatnonzero(state == "few genes")
    # ambient molecules are a few in a hundred of a cell's, and most of a nearly empty droplet's
    level = rng.uniform(0.012, 0.035)
    soup = level * np.exp(rng.normal(0, 0.4, len(first)))
    soup[few] = rng.uniform(0.3, 0.8, len(few))
    molecules[few, 0] = rng.uniform(60, 280, len(few)) * (1 - soup[few])
    droplets["soup"] = np.clip(soup, 0, 0.9)


def truth_table(
    lib: Library,
    kinds: list[State],
    droplets: dict[str, np.ndarray],
    *,
    molecules: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    first, second = droplets["first"], droplets["second"]
    table = pd.DataFrame(
        {
            "cell_type": [s.cell_type for s in kinds],
            "t_subset": [s.t_subset for s in kinds],
            "t_lineage": [s.t_lineage for s in kinds],
            "car": [s.car for s in kinds],
            "phase": [s.phase for s in kinds],
        }
    )
    truth = table.iloc[first].reset_index(drop=True)
    doublet = second >= 0
    types = table["cell_type"].to_numpy()
    kind = np.where(types[first] == types[np.maximum(second, 0)], "homotypic", "heterotypic")
    truth.insert(0, "sample_id", lib.sample_id)
    truth.insert(1, "barcode", _barcodes(len(first), rng))
    truth["cycling"] = truth["phase"] != "G1"
    truth["doublet"] = doublet
    truth["doublet_kind"] = np.where(doublet, kind, "")
    truth["second_cell_type"] = np.where(doublet, types[np.maximum(second, 0)], "")
    # a doublet is CAR-positive when either of its cells is
    truth["car"] |= doublet & table["car"].to_numpy()[np.maximum(second, 0)]
    damaged = np.where(doublet, "", droplets["state"])
    truth["damage"] = np.where(lib.failed, "failed library", damaged)
    truth["expected_molecules"] = np.round(molecules.sum(1)).astype(np.int64)
    return truth


def _barcodes(n: int, rng: np.random.Generator) -> np.ndarray:
    letters = np.array(list("ACGT"))
    codes = np.array([], dtype=np.int64)
    while len(codes) < n:
        codes = np.unique(np.concatenate([codes, rng.integers(4**16, size=n + 16)]))
    codes = np.sort(rng.permutation(codes)[:n])
    digits = (codes[:, None] // 4 ** np.arange(15, -1, -1)) % 4
    return np.array(["".join(row) + "-1" for row in letters[digits]], dtype=object)
