"""Whether ligand-receptor scores go with toxicity in one arm more than in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import stats, tl
from cartscope._schema import LIGREC_INTERACTION
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.steps._rows import not_tested

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split
    from cartscope.tl import LigandReceptorScores

ALL = "all"
BALANCED = "of a study and arm with both groups"
_ARMS = ("true", "false")


def arms_table(
    ctx: Context, scores: LigandReceptorScores, s: Split, *, samples: pd.DataFrame
) -> pd.DataFrame:
    """Return the interaction of group and arm for the pairs that claims name.

    Parameters
    ----------
    ctx
        The run.
    scores
        Of every patient of the contrast.
    s
        The contrast, both arms.
    samples
        The sample table.

    Returns
    -------
    One row per named pair and target over all patients, and one without the patients of a study
    and arm that has one group only: these carry the difference between studies into the arm.
    """
    column = s.contrast.interaction or ""
    if column not in samples:
        return _none(s, f"{column} of the patients is unknown")
    patients = samples.astype({k.obs.patient: str}).drop_duplicates(k.obs.patient)
    patients = patients.set_index(k.obs.patient)
    side = {p: name for name in (GROUP, REFERENCE) for p in s.members(name)}
    patients = patients[patients.index.isin(side.keys() & set(scores.patients))]
    arm = patients[column].astype(str).str.lower()
    arm = arm[arm.isin(_ARMS)]
    levels = {p: (side[p], value) for p, value in arm.items()}
    cells = {(g, a) for g, a in levels.values()}
    if len(cells) < len(_ARMS) * 2:
        lacking = [
            f"{g} with {column} {a}"
            for a in _ARMS
            for g in (GROUP, REFERENCE)
            if (g, a) not in cells
        ]
        return _none(s, f"no patient in the {' and the '.join(lacking)}")
    tables = [_test(ctx, scores, s, levels=levels).assign(patients=ALL)]
    kept = _balanced(levels, patients)
    if set(kept) != set(levels) and len(set(kept.values())) == len(cells):
        tables.append(_test(ctx, scores, s, levels=kept).assign(patients=BALANCED))
    return pd.concat(tables, ignore_index=True).assign(caveat=s.contrast.caveat)


def _balanced(
    levels: dict[str, tuple[str, str]], patients: pd.DataFrame
) -> dict[str, tuple[str, str]]:
    if k.obs.study not in patients:
        return levels
    stratum = {p: (str(patients.loc[p, k.obs.study]), arm) for p, (_, arm) in levels.items()}
    sides: dict[tuple[str, str], set[str]] = {}
    for p, (side, _) in levels.items():
        sides.setdefault(stratum[p], set()).add(side)
    return {p: v for p, v in levels.items() if len(sides[stratum[p]]) > 1}


def _test(
    ctx: Context, scores: LigandReceptorScores, s: Split, *, levels: dict[str, tuple[str, str]]
) -> pd.DataFrame:
    named = ctx.manifests.ligand_receptor.pair
    table = tl.ligand_receptor_interaction(
        scores,
        levels,
        contrast=(GROUP, REFERENCE),
        arms=_ARMS,
        pairs=[(p.ligand, p.receptor) for p in named],
        random_state=ctx.seed,
        name=s.contrast.id,
    )
    wanted = {(p.ligand, p.receptor, p.source, t) for p in named for t in p.targets}
    keys = table[["ligand", "receptor", "source", "target"]].itertuples(index=False, name=None)
    table = table[[key in wanted for key in keys]].reset_index(drop=True)
    # the family are the pairs that claims name, between the populations that they name
    able = table["p_value"].notna()
    table["family_size"] = int(able.sum())
    if able.any():
        table.loc[able, "fdr"] = stats.benjamini_hochberg(table.loc[able, "p_value"].to_numpy())
    return table


def _none(s: Split, reason: str) -> pd.DataFrame:
    return not_tested(LIGREC_INTERACTION, s.contrast.id, reason=reason, caveat=s.contrast.caveat)
