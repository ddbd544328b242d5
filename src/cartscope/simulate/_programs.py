"""Genes that go up and down together within one cell type."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cartscope.simulate import _markers as m
from cartscope.simulate._profiles import reference

# standard deviation of a programme's log level between cells of one type
PROGRAMS = {
    "mito": 0.38, "ribosome": 0.34, "cytoskeleton": 0.3, "nuclear": 0.35, "metabolism": 0.25,
    "stress": 0.7, "cytotoxic": 0.45, "inflammation": 0.8, "mhc2": 0.35, "naive": 0.35,
    "s100": 0.35, "interferon": 0.55, "glucocorticoid": 0.4, "cycle": 0.45, "heme": 0.0,
}  # fmt: skip
HEME = ("HBB", "HBA1", "HBA2")
# cells rich in ribosomal messages are poor in others: the strongest axis of resting blood
_AGAINST_RIBOSOME = {"cytoskeleton": -0.5, "s100": -0.5, "nuclear": -0.3, "metabolism": -0.2}


def activity(cells: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the factor of every programme for two cells a droplet, with mean 1.

    Parameters
    ----------
    cells
        Number of droplets.
    rng
        The library's stream.

    Returns
    -------
    Array (droplets, 2, programmes) in the order of :data:`PROGRAMS`.
    """
    names, sd = list(PROGRAMS), np.array(list(PROGRAMS.values()))
    level = rng.normal(0, 1, (cells, 2, len(sd)))
    shared = level[..., names.index("ribosome")]
    for name, rho in _AGAINST_RIBOSOME.items():
        own = level[..., names.index(name)]
        level[..., names.index(name)] = rho * shared + np.sqrt(1 - rho**2) * own
    return np.exp(level * sd - sd**2 / 2)


@lru_cache(maxsize=1)
def program_genes() -> dict[str, np.ndarray]:
    """Positions of the genes of every programme of activity; a gene is in one at most."""
    ref = reference()
    symbols = ref.symbol.astype(str)
    ribosome = [s for s in symbols if s.startswith(("RPL", "RPS")) and s[3:4].isdigit()]
    cycle = [ref.programs[n] for n in ("s_phase", "g2m_phase", "proliferation")]
    found = {
        "heme": ref.at(HEME),
        "mito": np.flatnonzero(np.char.startswith(symbols, "MT-")),
        "cycle": np.concatenate(cycle),
        "stress": ref.at(m.STRESS),
        "cytotoxic": ref.at(m.CYTOTOXIC),
        "inflammation": ref.at(m.INFLAMMATION),
        "mhc2": ref.at(m.MHC2),
        "naive": ref.at(m.NAIVE),
        "s100": ref.at(m.S100),
        "glucocorticoid": ref.at(m.GLUCOCORTICOID),
        "interferon": ref.programs["ifn_alpha"],
        "ribosome": ref.at(ribosome),
        "cytoskeleton": ref.at(m.CYTOSKELETON),
        "nuclear": ref.at(m.NUCLEAR),
        "metabolism": ref.at(m.METABOLISM),
    }
    seen: set[int] = set()
    out = {}
    for name, at in found.items():
        out[name] = np.array([i for i in at if int(i) not in seen], dtype=np.int64)
        seen |= {int(i) for i in at}
    return out
