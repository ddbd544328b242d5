"""Every notebook is a true pair, holds no output, runs offline, and finds what its text says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cartscope as cs

HERE = Path(__file__).parents[2] / "notebooks"
SCRIPTS = sorted(HERE.glob("[0-9]*.py"))
HOSTS = {
    "doi.org": r"/10\.\d{4,9}/\S+",
    "creativecommons.org": r"/licenses/by/4\.0/",
    "www.ncbi.nlm.nih.gov": r"/geo/query/acc\.cgi\?acc=GSE\d+",
    "anndata.readthedocs.io": "",
    "scanpy.readthedocs.io": "",
    "jupytext.readthedocs.io": "",
}

# what the prose of each notebook says it will be seen, as expressions over the names it leaves
SAYS = {
    "01": [
        "adata.n_obs > 1900 and adata.n_vars == 13129",
        "(adata.obs['cell_type'] == 'T').mean() > 0.5",
        "{'B', 'NK', 'CD14 monocyte', 'CD16 monocyte'} <= set(adata.obs['cell_type'])",
        "adata.obs['cycling'].mean() < 0.03 < 0.3 < (adata.obs['phase'] != 'G1').mean()",
        "((adata.obs['cell_type'] == 'NK') & (adata.obs['my_type'] == 'T')).sum() > 5",
        "round(limits.loc['4 against 6', 'smallest p'], 4) == 0.0095",
    ],
    "02": [
        "set(indexed.left_out['status']) == {'not used'}",
        "cells_of_design.loc[('GSE246490', 'false')].tolist() == [4, 0]",
        "cells_of_design.loc[('GSE246490', 'true')].tolist() == [6, 4]",
        "adata.obs['doublet_score'][adata.obs['timepoint'] == 'infusion_product'].isna().all()",
        "right.mean() > 0.97",
        "accuracy.loc[accuracy['size'] > 50, 'mean'].min() > 0.9",
        "(report['role'] == 'condition').any()",
        "reread.shape == adata.shape and not out.exists()",
    ],
    "03": [
        "detection['CAR T cells'].iloc[-1] > detection['CAR T cells'].iloc[0] + 0.05",
        "0 < detection['other cells'].max() < 0.1",
        "quality.loc['T cells without a call', 'published'] > 0.05",
        "quality.loc['T cells without a call', 'recommended'] < 0.02",
        "quality.loc['CAR T cells found', 'recommended'] > 0.85",
        "(quality.loc['negatives that are CAR T'] > 0.05).all()",
        "(audit['true_share'] - audit['simulated share']).abs().max() < 0.12",
        "1.7 < arithmetic.iloc[1, 1] / arithmetic.iloc[0, 1] < 2",
        "(by_grade['as found'] < by_grade['truth']).all()",
        "by_grade.sub(by_grade['truth'], axis=0).abs().max()['by detection'] < 0.015",
        "by_grade.diff().iloc[1].sub(by_grade.diff().iloc[1]['truth']).abs().drop('truth').idxmin()"
        " == 'by detection'",
        "(by_grade['truth'] < by_grade['observed']).all()",
        "(by_grade['observed'] - by_grade['truth'])['high'] > "
        "(by_grade['observed'] - by_grade['truth'])['low']",
    ],
    "04": [
        "(design_cells == 0).sum().sum() == 1 and len(design_cells) == 3",
        "report.estimable and report.not_separable == ['crs x study']",
        "report.weights.loc[pdata.obs['patient'].str.contains('NoAnakinra'), 'contrast'].eq(0).all()",
        "not full.estimable",
        "set(with_anakinra.sort_values('p_value')['gene'].head(5)) >= {'IFI35', 'CXCL10', 'RETN'}",
        "both.loc[['IFI35', 'IFIT2', 'CXCL10', 'RETN'], 'differs'].all()",
        "not both.loc[['C1QA', 'IL1B'], 'differs'].any()",
        "influence['sign kept'].all() and abs(influence['exact p'].min() - 2 / 210) < 1e-9",
        "(beside['p_value (genes)'] < 0.01).all() and (beside['p_value (patients)'] > 0.1).any()",
        "(primary.dropna(subset='p_value').query(\"target != 'CD14 monocyte'\")['fdr'] < 0.1).all()",
        "explored['fdr'].min() > 0.1 and len(explored) > 300",
        "not any('RETN' in genes for genes in interferon.values())",
    ],
    "05": [
        "panel.loc[[IL4, IL10], ['nes_cd4', 'nes_cd8']].lt(-2).all().all()",
        "panel.loc[[IL4, IL10], 'q < 0.1'].eq('both').all()",
        "(panel['q < 0.1'] == 'both').sum() > 10",
        "(trials['genes shuffled'] < 0.05).mean() > 0.3",
        "(trials['patients shuffled'] < 0.05).mean() < 0.2",
        "len(by_name[IL10].inhibited) > 2 * len(by_name[IL10].components)",
        "(split['median log2 change'] < 0).all()",
        "usual.loc[IL18, 'reason'] and len(study_sets[IL18]) == 8",
        "anakinra['p_value'].min() > 0.05",
    ],
}

RUN = """
import json, runpy, socket, sys

def refuse(*args, **kwargs):
    raise OSError("a notebook asked for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
left = runpy.run_path(sys.argv[1])
wrong = [says for says in json.loads(sys.argv[2]) if not eval(says, left)]
sys.exit("no longer so: " + " | ".join(wrong) if wrong else 0)
"""


def percent_cells(text: str) -> list[tuple[str, str]]:
    """Kind and source of each cell of a py:percent script, its header left out."""
    out = []
    for block in re.split(r"(?m)^# %%", text)[1:]:
        mark, _, body = block.partition("\n")
        body = body.strip("\n")
        if mark.strip() == "[markdown]":
            lines = body.split("\n")
            assert all(line.startswith("# ") or line == "#" for line in lines), lines
            out.append(("markdown", "\n".join(line[2:] for line in lines)))
        else:
            assert mark.strip() == "", f"unknown cell mark {mark!r}"
            out.append(("code", body))
    return out


def read_notebook(path: Path) -> dict:
    return json.loads(path.with_suffix(".ipynb").read_text("utf-8"))


def prose(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text("utf-8")
    return "\n".join(
        body for kind, body in percent_cells(path.read_text("utf-8")) if kind != "code"
    )


def test_there_are_five_pairs_and_nothing_else():
    assert [p.stem[:2] for p in SCRIPTS] == ["01", "02", "03", "04", "05"]
    assert sorted(p.stem for p in HERE.glob("*.ipynb")) == [p.stem for p in SCRIPTS]
    assert set(SAYS) == {p.stem[:2] for p in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_pair_is_in_step(path):
    notebook = read_notebook(path)
    cells = [(c["cell_type"], "".join(c["source"])) for c in notebook["cells"]]
    assert cells == percent_cells(path.read_text("utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["jupytext"]["formats"] == "ipynb,py:percent"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_keeps_no_output_and_no_trace_of_a_machine(path):
    notebook = read_notebook(path)
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert all(set(c["metadata"]) <= {"lines_to_next_cell"} for c in notebook["cells"])
    ids = [c["id"] for c in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    text = path.read_text("utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|tmp|home|Users|root|mnt|opt)\b|\b[A-Z]:\\", text)


@pytest.mark.parametrize(
    "path", [*SCRIPTS, HERE / "README.md", HERE / "data" / "README.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(path):
    text = prose(path)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    for target in targets:
        if "://" not in target:
            assert (path.parent / target).is_file(), f"{target} is not there"
            continue
        host, _, rest = target.removeprefix("https://").partition("/")
        assert target.startswith("https://"), f"{target} is not https"
        assert host in HOSTS, f"{target}: unknown host"
        assert re.fullmatch(HOSTS[host] or r"/?", "/" + rest), f"{target}: unknown page"
    bare = re.findall(r"(?<!\]\()https?://", text)
    assert not bare, "an address outside of a link"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_only_public_names_are_used_and_talked_about(path):
    text = path.read_text("utf-8")
    names = set(re.findall(r"\bcs\.(\w+)\.(\w+)", text))
    assert len(names) > 8
    for room, name in names:
        assert name in getattr(cs, room).__all__, f"cs.{room}.{name} is not public"
    assert not re.search(r"from cartscope\b|import cartscope\.|\bcs\.\w*\.?_\w+", text)


@pytest.mark.parametrize("path", SCRIPTS[1:], ids=lambda p: p.stem)
def test_simulated_cells_are_called_so_in_text_and_figures(path):
    text = path.read_text("utf-8")
    assert "SIMULATED" in percent_cells(text)[0][1]
    figures = text.count("plt.subplots(")
    assert figures == text.count("cs.pl.stamp(figure, ") > 0


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_runs_and_shows_what_it_says(path, tmp_path):
    (tmp_path / "data").mkdir()
    data = HERE / "data" / "pbmc3k.h5"
    (tmp_path / "data" / data.name).write_bytes(data.read_bytes())
    strict = []
    if os.environ.get("CARTSCOPE_WARNINGS") == "error":
        known = ("Deprecation", "Future", "PendingDeprecation", "Import")
        strict = ["-Werror", *(f"-Wignore::{name}Warning" for name in known)]
    done = subprocess.run(
        [sys.executable, *strict, "-c", RUN, path, json.dumps(SAYS[path.stem[:2]])],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"data"}, f"left behind: {left}"


@pytest.mark.reference
def test_real_cells_are_a_part_of_pbmc3k_unchanged(reference, tmp_path):
    from scipy.io import mmread

    folder, out = reference / "pbmc3k", tmp_path / "pbmc3k.h5"
    inputs = [folder / n for n in ("counts_genes_x_cells.mtx.gz", "genes.txt.gz", "cells.txt.gz")]
    script = HERE / "data" / "make_pbmc3k.py"
    subprocess.run([sys.executable, script, *inputs, out], check=True, capture_output=True)
    made, kept = cs.io.read_10x(out), cs.io.read_10x(HERE / "data" / "pbmc3k.h5")
    assert made.obs_names.equals(kept.obs_names)
    assert made.var_names.equals(kept.var_names)
    assert (made.layers["counts"] != kept.layers["counts"]).nnz == 0
    genes, cells = (
        [line for line in _gunzip(path).split("\n") if line] for path in (inputs[1], inputs[2])
    )
    rows = {g: i for i, g in enumerate(genes)}
    columns = {c: i for i, c in enumerate(cells)}
    whole = mmread(inputs[0]).tocsr()
    part = whole[[rows[g] for g in kept.var_names]][:, [columns[c] for c in kept.obs_names]]
    assert (part.T.tocsr() != kept.layers["counts"].astype(int)).nnz == 0


def test_checksum_in_the_readme_is_that_of_the_file():
    assert cs.io.sha256(HERE / "data" / "pbmc3k.h5") in (HERE / "data" / "README.md").read_text()


def _gunzip(path: Path) -> str:
    import gzip

    return gzip.decompress(path.read_bytes()).decode()
