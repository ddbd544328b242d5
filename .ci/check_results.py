"""Check what the README's first command left: every table has rows, or a row that says why not."""

import json
import sys
from pathlib import Path

import pandas as pd

out = Path(sys.argv[1])
problems = []


def must(path, least=1):
    found = sorted(out.glob(path))
    if len(found) < least:
        problems.append(f"{path}: {len(found)} found, at least {least} expected")
    problems.extend(f"{p}: empty file" for p in found if p.is_file() and not p.stat().st_size)


for name in ("qc", "car_calls", "composition", "cycling", "de", "gsea", "ligrec", "contrasts"):
    table = out / "tables" / f"{name}.csv"
    if not table.is_file():
        problems.append(f"{table}: missing")
    elif pd.read_csv(table).empty:
        problems.append(f"{table}: no row, not even one that says why")
must("cells.*")
must("figures/*.pdf", 2)
must("figures/*.png", 2)
must("figures/source_data/*.csv", 2)
must("tables/pseudobulk_*.h5ad")
for name in ("claims.csv", "claims_detail.csv", "report.html", "provenance.json", "run.json"):
    must(name)
claims = pd.read_csv(out / "claims.csv")
if claims["verdict"].isna().any():
    problems.append("claims.csv: a claim without a verdict")
if claims["verdict"].eq("reproduced").any():
    problems.append("claims.csv: the word 'reproduced' on simulated data")
if "SIMULATED" not in (out / "report.html").read_text("utf-8"):
    problems.append("report.html: does not say SIMULATED")
json.loads((out / "provenance.json").read_text("utf-8"))
if problems:
    print("\n".join(problems))
    sys.exit(1)
print(f"{out.name}: all there; {claims['verdict'].value_counts().to_dict()}")
