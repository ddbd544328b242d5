"""Feature tables: names made unique, feature types told apart, CAR features found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from scipy import sparse

_VERSION = re.compile(r"^(ENS[A-Z]*G\d+)\.\d+(_PAR_Y)?$")


@dataclass
class Sample:
    """One sample as its file has it: integer CSR, barcodes, features; ``form`` names the format."""

    counts: sparse.csr_matrix
    barcodes: list[str]
    features: pd.DataFrame  # id, symbol, feature_type, genome
    label: str
    form: str


def feature_table(
    ids: Sequence[str],
    symbols: Sequence[str],
    *,
    types: Sequence[str] | None = None,
    genomes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the columns id, symbol, feature_type and genome.

    Parameters
    ----------
    ids
        Ensembl or other ids; the symbol where there is none.
    symbols
        Gene symbols.
    types
        10x feature types; all gene expression by default.
    genomes
        Reference of each feature, where the file says it.
    """
    return pd.DataFrame(
        {
            "id": np.asarray(ids, dtype=object),
            "symbol": np.asarray(symbols, dtype=object),
            "feature_type": k.GENE_EXPRESSION if types is None else np.asarray(types, dtype=object),
            "genome": "" if genomes is None else np.asarray(genomes, dtype=object),
        }
    )


def unique_names(names: Iterable[str]) -> list[str]:
    """Make names unique by scanpy's rule: the first keeps its name, later ones get -1, -2, ...

    Parameters
    ----------
    names
        Symbols in file order.

    Returns
    -------
    As many names; a suffix that is already taken by another symbol is passed over.

    Examples
    --------
    >>> from cartscope.io._features import unique_names
    >>> unique_names(["TBCE", "CD3D", "TBCE", "TBCE"])
    ['TBCE', 'CD3D', 'TBCE-1', 'TBCE-2']
    """
    given = list(names)
    taken = set(given)
    count: dict[str, int] = {}
    out: list[str] = []
    for name in given:
        if name not in count:
            count[name] = 0
            out.append(name)
            continue
        fresh = name
        while fresh in taken:
            count[name] += 1
            fresh = f"{name}-{count[name]}"
        taken.add(fresh)
        out.append(fresh)
    return out


def match_car(features: pd.DataFrame, names: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows whose symbol or id is one of the names, in any case.

    Parameters
    ----------
    features
        As :func:`feature_table` makes it.
    names
        CAR features asked for.
    """
    symbols = features["symbol"].str.casefold().to_numpy()
    ids = features["id"].str.casefold().to_numpy()
    found = {}
    for name in names:
        low = name.casefold()
        found[name] = [int(i) for i in np.flatnonzero((symbols == low) | (ids == low))]
    return found


def check_car_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the CAR feature names, stripped, each once.

    Parameters
    ----------
    names
        As the user gave them; a single string is refused, it would be read letter by letter.
    """
    if isinstance(names, str):
        msg = f"car_features is the string {names!r}; give a list of names, as [{names!r}]."
        raise InputError(msg)
    out: dict[str, str] = {}
    for name in names:
        clean = str(name).strip()
        if clean:
            out.setdefault(clean.casefold(), clean)
    return tuple(out.values())


def keep_expression(
    features: pd.DataFrame, car: dict[str, list[int]]
) -> tuple[npt.NDArray[np.intp], dict[str, int]]:
    """Return the rows to keep, in file order, and how many of each other type are put aside.

    Parameters
    ----------
    features
        As :func:`feature_table` makes it.
    car
        Rows of CAR features, kept whatever their type.
    """
    keep = (features["feature_type"] == k.GENE_EXPRESSION).to_numpy(copy=True)
    keep[[row for rows in car.values() for row in rows]] = True
    aside = features.loc[~keep, "feature_type"].value_counts()
    return np.flatnonzero(keep), {str(t): int(n) for t, n in sorted(aside.items())}


def join_id(feature_id: str) -> str:
    """Return an id without the version that GENCODE appends: ENSG00000141510.17 joins its gene.

    Parameters
    ----------
    feature_id
        Id as the file has it.

    Examples
    --------
    >>> from cartscope.io._features import join_id
    >>> join_id("ENSG00000141510.17"), join_id("Yescarta")
    ('ENSG00000141510', 'Yescarta')
    """
    return _VERSION.sub(lambda m: m[1] + (m[2] or ""), feature_id)
