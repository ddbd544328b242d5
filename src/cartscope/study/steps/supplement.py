"""Counterparts of the paper's supplementary tables, and one index of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope import io
from cartscope._schema import SUPPLEMENT
from cartscope.study._model import Step

if TYPE_CHECKING:
    from cartscope.manifest import SupplementTable
    from cartscope.study._context import Context

INDEX = "tables/supplement.csv"


def run(ctx: Context) -> None:
    """Write each counterpart, and the index that says what it is or why there is none."""
    rows = []
    for table in ctx.manifests.supplement.table:
        row = {"table": table.id, "says": table.says, "note": table.note, "reason": table.missing}
        if not table.missing:
            found, row["holds"] = _counterpart(ctx, table)
            ctx.write_table(_file(table), found)
            row |= {"file": _file(table), "n_rows": len(found)}
            row["reason"] = "" if len(found) else _why_empty(ctx, table)
        rows.append(SUPPLEMENT.blank(**row))
    ctx.write_table(INDEX, pd.DataFrame(rows))


def _file(table: SupplementTable) -> str:
    return f"tables/supplement_{table.id.lower()}.csv"


def _files(ctx: Context) -> list[str]:
    return [_file(t) for t in ctx.manifests.supplement.table if not t.missing]


def _counterpart(ctx: Context, table: SupplementTable) -> tuple[pd.DataFrame, str]:
    if table.gene_sets:
        return _gene_sets(ctx)
    name = f"tables/{table.source}.csv"
    found, holds = ctx.read_table(name), f"rows of {name}"
    for column, values in table.where.items():
        found = found[found[column].isin(values)]
        holds += f" with {column} {', '.join(values)}"
    if table.count_by:
        return _counts(found, table.count_by), f"patients and libraries of {name}, counted"
    if table.columns:
        found = found.reindex(columns=list(table.columns), fill_value="")
    return found, holds


def _gene_sets(ctx: Context) -> tuple[pd.DataFrame, str]:
    rows = []
    for name in ctx.preset.values("gsea")["collections"]:
        sets = io.read_gene_sets(ctx.manifests.file(f"gene_sets/{name}.gmt"))
        rows += [
            {"collection": name, "gene_set": s, "n_genes": len(genes), "genes": ";".join(genes)}
            for s, genes in sets.items()
        ]
    return pd.DataFrame(rows), "gene sets of the preset, with their genes"


def _counts(samples: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    # a missing grade is a cell of its own, not a patient who is not counted
    cells = samples.reindex(columns=list(by)).astype(object)
    cells = cells.where(cells.notna(), "").assign(patient=samples[k.obs.patient])
    grouped = cells.groupby(list(by), sort=False)[k.obs.patient]
    counts = grouped.agg(n_patients="nunique", n_libraries="size").reset_index()
    return counts.sort_values(list(by), key=lambda c: c.astype(str), ignore_index=True)


def _why_empty(ctx: Context, table: SupplementTable) -> str:
    contrasts = ctx.read_table("tables/contrasts.csv")
    asked = contrasts[contrasts["contrast"].isin(table.where.get("contrast", ()))]
    reasons = asked.loc[asked["reason"] != "", ["contrast", "reason"]].drop_duplicates()
    texts = reasons["contrast"] + ": " + reasons["reason"]
    return "; ".join(texts) or "no row has these values"


STEP = Step(
    name="supplement",
    title="Counterparts of the paper's supplementary tables",
    needs=(
        "tables/contrasts.csv",
        "tables/de.csv",
        "tables/gsea.csv",
        "tables/qc.csv",
        "tables/samples.csv",
    ),
    makes=(INDEX,),
    params=("gsea",),
    manifests=("supplement.toml", "gene_sets"),
    also=_files,
    run=run,
)
