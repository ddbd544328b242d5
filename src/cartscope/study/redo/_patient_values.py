"""The values behind the rank tests, one per patient, and the tests done again on some of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope.study.comparisons._groups import GROUP, split
from cartscope.study.comparisons._strata import strata_of
from cartscope.tl._patient_test import adjust, rank_columns, shift_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from cartscope.study._context import Context

SHARES = ("composition", "corrected", "cycling")
_PRIMARY = "primary"
_EFFECT = {"shift": "effect", "shift_low": "ci_low", "shift_high": "ci_high"}
_NOBODY = "nobody with enough cells is left to compare"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Tests that are corrected together, and what they compare."""

    table: str
    contrast: str
    entries: tuple[str, ...]
    patients: tuple[str, ...]
    in_group: np.ndarray
    numbers: np.ndarray  # patients x entries, nan where a patient has no value
    strata: np.ndarray | None = None  # within what patients are compared

    def without(self, patient: str) -> Family:
        """Return the family without one patient.

        Parameters
        ----------
        patient
            Who leaves.
        """
        keep = np.array([p != patient for p in self.patients])
        return replace(
            self,
            patients=tuple(p for p in self.patients if p != patient),
            in_group=self.in_group[keep],
            numbers=self.numbers[keep],
            strata=None if self.strata is None else self.strata[keep],
        )


def share_families(ctx: Context, table: str, contrasts: Iterable[str]) -> Iterator[Family]:
    """Yield the families of a table on shares of cells.

    Parameters
    ----------
    ctx
        The run.
    table
        One of ``SHARES``.
    contrasts
        Ids.
    """
    shares = ctx.read_table(f"tables/{table}_patients.csv")
    analysis = "composition" if table == "corrected" else table
    least = ctx.preset.values(analysis)["min_cells"]
    if "part" not in shares:
        shares = shares.assign(part="")
    for contrast in contrasts:
        here = shares[(shares["contrast"] == contrast) & (shares["side"] != "")]
        for _, part in here.groupby("part", sort=False):
            entry = part["population"].str.cat(part["car_status"], sep=" ").str.strip()
            values = part["fraction"].where(part["n_cells"] >= least)
            rows = part.assign(entry=entry, value=values)
            yield _family(ctx, table, contrast, rows=rows)


def pair_families(ctx: Context, contrasts: Iterable[str]) -> Iterator[Family]:
    """Yield the families of the pairs that the study names.

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Ids.
    """
    scores = ctx.read_table("tables/ligrec_patients.csv")
    tested = ctx.read_table("tables/ligrec.csv")
    tested = tested[tested["p_value"].notna()]
    if "family" in tested:
        tested = tested[tested["family"] == _PRIMARY]
    for contrast in contrasts:
        known = set(pair_entries(tested[tested["contrast"] == contrast]))
        here = scores[scores["contrast"] == contrast]
        here = here.assign(entry=pair_entries(here), value=here["score"])
        here = here[here["entry"].isin(known) & (here["side"] != "")]
        if len(here):
            yield _family(ctx, "ligrec", contrast, rows=here)


def pair_entries(table: pd.DataFrame) -> list[str]:
    """Return what a pair between two populations is called.

    Parameters
    ----------
    table
        With source, target, ligand and receptor.
    """
    columns = (table[c] for c in ("source", "target", "ligand", "receptor"))
    return [f"{s} to {t} {a}_{b}" for s, t, a, b in zip(*columns, strict=True)]


def _family(ctx: Context, table: str, contrast: str, *, rows: pd.DataFrame) -> Family:
    side = rows.drop_duplicates("patient").set_index("patient")["side"]
    wide = rows.pivot_table(
        index="patient", columns="entry", values="value", aggfunc="first", dropna=False
    )
    patients = tuple(map(str, wide.index))
    manifest, samples = ctx.manifests.contrasts, ctx.read_table("tables/samples.csv")
    chosen = next(c for c in manifest.contrast if c.id == contrast)
    strata = strata_of(ctx, split(chosen, manifest, samples), samples)
    return Family(
        table=table,
        contrast=contrast,
        entries=tuple(map(str, wide.columns)),
        patients=patients,
        strata=None if strata is None else np.array([strata.of[p] for p in patients]),
        in_group=(side.reindex(wide.index) == GROUP).to_numpy(),
        numbers=wide.to_numpy(dtype=float),
    )


def compare(family: Family) -> list[dict[str, Any]]:
    """Test every entry of a family as the tables do.

    Parameters
    ----------
    family
        The values.

    Returns
    -------
    One dict per entry: entry, effect (Hodges-Lehmann shift), ci_low, ci_high, p_value, fdr, min_p;
    and a reason where a side has nobody.
    """
    who = family.in_group, family.strata
    tests = adjust(rank_columns(family.numbers, *who))
    found = tests.join(shift_columns(family.numbers, *who)).rename(columns=_EFFECT)
    names = (*_EFFECT.values(), "p_value", "fdr", "min_p")
    return [
        {
            "entry": entry,
            **{name: float(row[name]) for name in names},
            "reason": "" if np.isfinite(row["p_value"]) else _NOBODY,
        }
        for entry, row in zip(family.entries, found.to_dict("records"), strict=True)
    ]
