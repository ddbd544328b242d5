"""From result tables of one null cohort to a small record, and from records to one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from _calibration.dealt import ALPHAS
from _calibration.joint import joint
from cartscope import stats
from cartscope.study.comparisons._ligrec_arms import ALL, BALANCED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cartscope.manifest import Claim

Q = 0.1
TENTH = 0.1  # of the level: hundreds of cohorts tell a mean share to a per mille
SURE = 0.999  # the wider bounds, outside of which a rate is no accident of some hundred looks
NAMED, EVERY = "a named feature", "every feature"
NAMED_Q, ANY = "a named feature, q", "any feature, q"
HEADLINES = (NAMED, EVERY, NAMED_Q, ANY)
HOLDS, BORDERLINE, MANY, FEW = "holds", "borderline", "too many", "too few"
COLUMNS = ["level", "role", "test", "table", "engine", "contrast", "what", "alpha", "cohorts",
           "hits", "rate", "low", "high", "expected", "verdict", "note"]  # fmt: skip


# a claim rests on it; or it stands beside, as published or to show what it does
DECIDES, BESIDE = "decides", "beside"
CALLED = "CAR- shares as called, missed CAR T cells included"
GENES = "a gene-permutation p: not a patient-level test"
TAIL = "the far tail of Wald z at few degrees of freedom"
WITH = "CAR- populations hold missed CAR T cells"
UNEQUAL = "one variance for rare and common parts, for patients with many cells and with few"
# the models without study are there to be compared with, no claim rests on them
BESIDE_CONTRASTS = ("_without_study",)
WITHOUT_STUDY = "without study in its design, for comparison"
PAIR = ("ligand", "receptor", "source", "target")
SET, PART = ("gene_set",), ("population",)


@dataclass(frozen=True)
class Family:
    """Where the results of one test stand; ``table`` is where claims look for them."""

    test: str
    artifact: str
    features: tuple[str, ...]
    table: str
    engine: str = ""
    exact: bool = False
    where: tuple[tuple[str, str], ...] = ()
    note: str = ""
    role: str = DECIDES


FAMILIES = (
    Family("DE, quasi-likelihood", "tables/de_recommended.csv", ("gene",), "de",
           "quasi_likelihood"),
    Family("DE, DESeq2", "tables/de_deseq2.csv", ("gene",), "de", "deseq2", note=TAIL, role=BESIDE),
    Family("DE, limma-voom", "tables/de_published.csv", ("gene",), "de", "limma_voom",
           note="the published preset", role=BESIDE),
    Family("DE, exact U of log2 CPM", "rank.csv", ("gene",), "de", "exact U", exact=True,
           role=BESIDE),
    Family("gene sets, by genes and by patients", "both_sets.csv", SET, "gsea", "both", exact=True),
    Family("GSEA, prerank", "tables/gsea.csv", SET, "gsea", note=GENES, role=BESIDE),
    Family("gene-set scores, exact U", "tables/gene_set_scores.csv", SET, "gene_set_scores",
           exact=True),
    Family("gene sets, by genes and by patients, genes of a set move together",
           "both_programs.csv", SET, "gsea", "both", exact=True),
    Family("GSEA, prerank, genes of a set move together", "programs_gsea.csv", SET, "gsea",
           note=GENES, role=BESIDE),
    Family("gene-set scores, exact U, genes of a set move together",
           "programs_gene_set_scores.csv", SET, "gene_set_scores", exact=True),
    Family("composition, as called and corrected", "both_shares.csv", PART, "composition", "both",
           exact=True),
    Family("composition, corrected for missed CAR T", "tables/corrected.csv", PART, "corrected",
           exact=True, where=(("analysis", "composition"),)),
    Family("composition, exact U", "tables/composition.csv", PART, "composition", exact=True,
           note=CALLED, role=BESIDE),
    Family("composition, clr", "clr.csv", PART, "composition", "clr", exact=True, note=CALLED,
           role=BESIDE),
    Family("composition, propeller", "propeller.csv", PART, "composition", "propeller",
           note=f"{CALLED}; {UNEQUAL}", role=BESIDE),
    Family("composition, exact U, every CAR T cell found", "found_composition.csv", PART,
           "composition", "found", exact=True),
    Family("composition, clr, every CAR T cell found", "found_clr.csv", PART, "composition",
           "clr found", exact=True),
    Family("composition, propeller, every CAR T cell found", "found_propeller.csv", PART,
           "composition", "propeller found", note=UNEQUAL, role=BESIDE),
    Family("cycling, as called and corrected", "both_cycling.csv", PART, "cycling", "both",
           exact=True),
    Family("cycling, corrected for missed CAR T", "tables/corrected.csv", PART, "corrected",
           exact=True, where=(("analysis", "cycling"),)),
    Family("cycling, exact U", "tables/cycling.csv", PART, "cycling", exact=True, note=CALLED,
           role=BESIDE),
    Family("cycling, exact U, every CAR T cell found", "found_cycling.csv", PART, "cycling",
           "found", exact=True),
    Family("ligand-receptor, named pairs", "tables/ligrec.csv", PAIR, "ligrec", exact=True,
           where=(("family", "primary"),), note=WITH),
    Family("ligand-receptor, all pairs", "tables/ligrec.csv", PAIR, "ligrec", "all pairs",
           exact=True, where=(("family", "exploratory"),), note=WITH),
    Family("ligand-receptor, difference of the arms", "tables/ligrec_interaction.csv", PAIR,
           "ligrec_interaction", where=(("patients", ALL),),
           note="the untreated patients of the new study, all of one grade, included", role=BESIDE),
    Family("ligand-receptor, difference of the arms, strata with both groups",
           "tables/ligrec_interaction.csv", PAIR, "ligrec_interaction", "balanced",
           where=(("patients", BALANCED),)),
)  # fmt: skip


def named_features(claims: Iterable[Claim]) -> dict[str, dict[str, list[str]]]:
    """Return what claims name: table -> contrast -> features, spelt as in the records."""
    out: dict[str, dict[str, list[str]]] = {}
    for claim in claims:
        for evidence in claim.evidence:
            names = list(evidence.features.values()) or list(claim.features)
            if evidence.table == "ligrec":
                ends = [f" {s} {t}" for s in evidence.sources for t in evidence.targets]
                names = [name.replace("_", " ") + end for name in names for end in ends]
            for contrast in evidence.contrasts:
                there = out.setdefault(evidence.table, {}).setdefault(contrast, [])
                there += [name for name in names if name and name not in there]
    return out


def record(
    tables: Mapping[str, pd.DataFrame],
    *,
    named: Mapping[str, Mapping[str, Sequence[str]]],
    sizes: Mapping[str, tuple[int, int]],
) -> list[dict[str, Any]]:
    """Return what is kept of one cohort: a row per test and contrast that gave a p."""
    out = []
    every = joint(tables)
    for family in FAMILIES:
        table = every.get(family.artifact)
        if table is None:
            continue
        for column, value in family.where:
            table = table[table[column] == value]
        table = table[table["p_value"].notna()]
        wanted = named.get(family.table, {})
        for contrast, rows in table.groupby("contrast", sort=False):
            keys = rows[family.features[0]].astype(str)
            for feature in family.features[1:]:
                keys = keys + " " + rows[feature].astype(str)
            p = dict(zip(keys, rows["p_value"].astype(float), strict=True))
            q = dict(zip(keys, rows["fdr"].astype(float), strict=True))
            if "n_group" in rows:
                n = sorted(zip(rows["n_group"], rows["n_reference"], strict=True))
                n = n[len(n) // 2]
            else:
                n = sizes.get(contrast, (0, 0))
            chosen = [f for f in wanted.get(contrast, ()) if f in p]
            if not wanted.get(contrast):
                chosen = sorted(p) if len(p) <= 20 else []
            values = np.array(list(p.values()))
            out.append(
                {
                    "test": family.test,
                    "contrast": contrast,
                    "n_group": int(n[0]),
                    "n_reference": int(n[1]),
                    "n": len(values),
                    "below": [int((values < a).sum()) for a in ALPHAS],
                    "level": [
                        float(np.nanmean(levels(rows, n, a))) if family.exact else a for a in ALPHAS
                    ],
                    "any_q": bool((_one_family(rows)["fdr"] < Q).any()),
                    "named": {f: p[f] for f in chosen},
                    "named_q": {f: q[f] for f in chosen},
                }
            )
    return out


def levels(rows: pd.DataFrame, n: Sequence[int], alpha: float) -> np.ndarray:
    """Return how often the exact test of each row rejects where nothing differs.

    Parameters
    ----------
    rows
        Of one test; ``level_0.05`` where ties and strata are known, else ``min_p`` says where ties
        leave no p below alpha.
    n
        Patients in the group and the reference where the rows don't say.
    alpha
        The level asked for.
    """
    if f"level_{alpha}" in rows:
        return rows[f"level_{alpha}"].to_numpy(float)
    sizes = np.tile(n, (len(rows), 1))
    if "n_group" in rows:
        sizes = rows[["n_group", "n_reference"]].to_numpy(int)
    kinds, of = np.unique(sizes, axis=0, return_inverse=True)
    each = [stats.attainable_level(*k, alpha=alpha) if k.min() > 0 else alpha for k in kinds]
    out = np.array(each)[of.ravel()]
    if "min_p" in rows:
        out = np.where(rows["min_p"].to_numpy(float) >= alpha, 0.0, out)
    return out


def _one_family(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the largest family: subsets and lineages of one contrast are corrected apart."""
    if "family_size" not in rows:
        return rows
    return rows[rows["family_size"] == rows["family_size"].max()]


def summarize(records: Mapping[str, Sequence[Mapping[str, Any]]], *, level: str) -> pd.DataFrame:
    """Return rates with bounds: one named feature a cohort, every feature, any q below 0.1.

    Parameters
    ----------
    records
        Cohort -> what :func:`record` kept of it. Cohorts are the unit: bounds of a named feature
        and of any q are binomial, those of every feature from the spread of rates over cohorts.
    level
        What the cohorts are.
    """
    rows: list[dict[str, Any]] = []
    flat = [{**r, "cohort": i} for i, name in enumerate(sorted(records)) for r in records[name]]
    families = {f.test: f for f in FAMILIES}
    order = {f.test: i for i, f in enumerate(FAMILIES)}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in flat:
        groups.setdefault((one["test"], one["contrast"]), []).append(one)
    for (test, contrast), found in sorted(groups.items(), key=lambda g: (order[g[0][0]], g[0][1])):
        family = families[test]
        compared = contrast.endswith(BESIDE_CONTRASTS)
        role, note = (BESIDE, WITHOUT_STUDY) if compared else (family.role, family.note)
        base = {"level": level, "role": role, "test": test, "table": family.table}
        base |= {"engine": family.engine, "contrast": contrast, "note": note}
        # what both ways call is at most what one of them calls
        at_most = family.engine == "both"
        for i, alpha in enumerate(ALPHAS):
            expected = float(np.mean([r["level"][i] for r in found]))
            features = sorted({f for r in found for f in r["named"]})
            turns = [_in_turn(r, features) for r in found]
            hits = [p < alpha for p in turns if p is not None]
            if hits:
                held = _binomial(hits, expected, at_most=at_most)
                rows.append({**base, "what": NAMED, "alpha": alpha} | held)
            if len(features) > 1:
                for feature in features:
                    hits = [r["named"][feature] < alpha for r in found if feature in r["named"]]
                    held = _binomial(hits, expected, at_most=at_most)
                    rows.append({**base, "what": feature, "alpha": alpha} | held)
            counts = np.array([(r["below"][i], r["n"]) for r in found if r["n"]])
            if len(counts) > 1 and counts[:, 1].max() > 1:
                rows.append(
                    {**base, "what": EVERY, "alpha": alpha}
                    | _mean(counts, expected, at_most=at_most)
                )
        turns = [_in_turn({**r, "named": r["named_q"]}, features) for r in found]
        hits = [q < Q for q in turns if q is not None]
        if hits:
            rows.append({**base, "what": NAMED_Q, "alpha": Q} | _binomial(hits, Q, at_most=True))
        called = [r["any_q"] for r in found]
        rows.append({**base, "what": ANY, "alpha": Q} | _binomial(called, Q, at_most=True))
    return pd.DataFrame(rows, columns=COLUMNS)


def _in_turn(one: Mapping[str, Any], features: Sequence[str]) -> float | None:
    """Return the p of the feature whose turn it is, chosen by the cohort's number alone."""
    for step in range(len(features)):
        feature = features[(one["cohort"] + step) % len(features)]
        if feature in one["named"]:
            return one["named"][feature]
    return None


def _binomial(hits: Sequence[bool], expected: float, *, at_most: bool = False) -> dict[str, Any]:
    k, n = int(np.sum(hits)), len(hits)
    narrow = stats.proportion_interval(k, n)
    wide = stats.proportion_interval(k, n, confidence=SURE)
    return {
        "cohorts": n,
        "hits": k,
        "rate": narrow.estimate,
        "low": narrow.low,
        "high": narrow.high,
        "expected": expected,
        "verdict": verdict(narrow[1:], wide[1:], expected=expected, at_most=at_most),
    }


def _mean(counts: np.ndarray, expected: float, *, at_most: bool = False) -> dict[str, Any]:
    rates = counts[:, 0] / counts[:, 1]
    # the features of a cohort are not independent, its rate is one value; but few cohorts that
    # agree by chance don't know it better than independent features would
    least = np.sqrt(expected * (1 - expected) / counts[:, 1].sum())
    error = max(rates.std(ddof=1) / np.sqrt(len(rates)), least)
    rate = rates.mean()
    reach = [student.ppf((1 + c) / 2, len(rates) - 1) * error for c in (0.95, SURE)]
    narrow, wide = ((rate - r, rate + r) for r in reach)
    return {
        "cohorts": len(rates),
        "hits": 0,
        "rate": rate,
        "low": max(narrow[0], 0.0),
        "high": min(narrow[1], 1.0),
        "expected": expected,
        "verdict": verdict(
            narrow, wide, expected=expected, at_most=at_most, margin=TENTH * expected
        ),
    }


def verdict(
    narrow: Sequence[float],
    wide: Sequence[float],
    *,
    expected: float,
    at_most: bool = False,
    margin: float = 0.0,
) -> str:
    """Return what bounds (95% and 99.9%) say of a test that should reject ``expected`` often.

    Parameters
    ----------
    narrow
        95% bounds.
    wide
        99.9% bounds.
    expected
        The level.
    at_most
        Whether less is as good.
    margin
        How far off is still no matter, though bounds may tell it.
    """
    slack = 1e-12
    if wide[0] > expected + margin + slack:
        return MANY
    if narrow[0] > expected + slack:
        return BORDERLINE
    if not at_most and wide[1] < expected - margin - slack:
        return FEW
    return HOLDS


def show(table: pd.DataFrame) -> str:
    """Return the table as text, the rows of single features left to the file.

    Parameters
    ----------
    table
        From :func:`summarize`.
    """
    shown = table[table["what"].isin(HEADLINES)].copy()
    for column in ("rate", "low", "high", "expected"):
        shown[column] = shown[column].map("{:.4f}".format)
    shown = shown.drop(columns=["table", "engine"])
    parts = [
        f"{level}, {_ROLES[role]}\n{rows.drop(columns=['level', 'role']).to_string(index=False)}"
        for (level, role), rows in shown.groupby(["level", "role"], sort=False)
    ]
    return "\n\n".join([*parts, conclusion(table)])


_ROLES = {DECIDES: "what claims and calls rest on", BESIDE: "what stands beside"}


def conclusion(table: pd.DataFrame) -> str:
    """Say how many of the rows that claims rest on hold, and which do not.

    Parameters
    ----------
    table
        From :func:`summarize`.
    """
    decides = table[(table["role"] == DECIDES) & table["what"].isin(HEADLINES)]
    count = decides["verdict"].value_counts()
    off = decides[decides["verdict"] == MANY]
    lines = [
        f"{len(decides)} rows that claims rest on: {count.get(HOLDS, 0)} hold, "
        f"{count.get(BORDERLINE, 0)} borderline (one in twenty lies outside of 95% bounds by "
        f"chance), {count.get(FEW, 0)} reject less often than they could, {len(off)} are off."
    ]
    lines += [
        f"off: {r.level}, {r.test}, {r.contrast}, {r.what} {r.alpha:g}: {r.rate:.3f} "
        f"({r.low:.3f}-{r.high:.3f}) for {r.expected:.3f}"
        for r in off.itertuples()
    ]
    return "\n".join(lines)
