"""What the README says under "Change it", done to the letter on a small study."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cartscope
from cartscope import io
from cartscope._schema import SCHEMAS
from cartscope.manifest import manifest_dir
from cartscope.study import reproduce

CHECKOUT = Path(__file__).parents[2]
README = CHECKOUT / "README.md"


def blocks(language):
    """Return the code blocks of one language under "Change it", in order."""
    section = README.read_text("utf-8").split("\n## Change it\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


def read(out, table):
    return io.read_table(out / "tables" / f"{table}.csv", SCHEMAS[table])


@pytest.fixture
def mine(tmp_path, quick_manifests):
    """A folder beside ``data_manifests``, after the README's copies."""
    shutil.copytree(manifest_dir(), tmp_path / "data_manifests")
    # the small study's own preset, which scores few sets
    shutil.copytree(quick_manifests, tmp_path / "data_manifests", dirs_exist_ok=True)
    for commands in blocks("bash"):
        subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True)
    return tmp_path / "mine"


def test_a_threshold_is_changed_by_one_line(mine, copy_of):
    path, line = mine / "params" / "recommended.toml", blocks("toml")[0].strip()
    before, section, after = path.read_text("utf-8").partition("[pseudobulk]")
    changed = re.sub(r"^min_cells = .*$", line, after, count=1, flags=re.M)
    path.write_text(before + section + changed, "utf-8")
    (mine / "contrasts.toml").unlink()
    settings = copy_of(manifests=mine)
    run = reproduce(settings)
    ran = {s.name for s in run.steps if not s.skipped}
    assert {"pseudobulk", "de", "claims", "report"} <= ran
    assert not ran & {"ingest", "qc", "embed", "annotate", "car", "composition", "figure 6C"}
    assert run.context.read_table("tables/pseudobulk.csv")["n_cells"].min() >= 40
    dropped = run.context.read_table("tables/pseudobulk_dropped.csv")
    assert "fewer than 40 cells" in set(dropped["reason"])
    page = (settings.out / "report.html").read_text("utf-8")
    assert re.search(r"pseudobulk\.min_cells</td><td[^>]*>40</td><td[^>]*>our own choice", page)


def test_a_contrast_is_added_by_a_few_lines(mine, copy_of):
    with (mine / "contrasts.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + blocks("toml")[1])
    settings = copy_of(manifests=mine)
    old = {t: read(settings.out, t) for t in ("de", "gsea")}
    run = reproduce(settings)
    assert not {s.name for s in run.steps if not s.skipped} & {"ingest", "embed", "annotate", "car"}
    name, population = "t_nk_crs_anakinra", "t_nk"
    assert (settings.out / f"tables/pseudobulk_{population}.h5ad").is_file()
    for table in ("contrasts", "estimability", "de", "fits", "gene_filter", "gsea",
                  "gene_set_scores"):  # fmt: skip
        found = run.context.read_table(f"tables/{table}.csv")
        rows = found[found["id" if table == "estimability" else "contrast"] == name]
        assert len(rows), table
    assert run.context.read_table("tables/pseudobulk.csv")["population"].eq(population).any()
    de = run.context.read_table("tables/de.csv")
    assert de.loc[de["contrast"] == name, "p_value"].notna().sum() > 1000
    for table, before in old.items():
        after = read(settings.out, table)
        kept = after[after["contrast"] != name].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, before)
    page = (settings.out / "report.html").read_text("utf-8")
    for table in ("contrasts", "models", "engines"):
        assert name in page.split(f'<table id="{table}">')[1].split("</table>")[0], table


def test_a_figure_is_added_by_one_file(copy_of, tmp_path):
    settings = copy_of()
    package = tmp_path / "src" / "cartscope"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(cartscope.__file__).parent, package, ignore=skip)
    if not (package / "data_manifests").is_dir():
        shutil.copytree(manifest_dir(), tmp_path / "data_manifests")
    added = package / "study" / "figures" / "kept.py"
    added.write_text(blocks("python")[-1], "utf-8")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(package.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.search(
        r"^kept +Cells kept of each library$", run("cartscope.cli", "list", "figures"), re.M
    )
    out = run("cartscope.cli", "figure", "kept", "--out", settings.out)
    assert out.rstrip().endswith("figkept.pdf")
    source = pd.read_csv(settings.out / "figures" / "source_data" / "figkept.csv")
    assert list(source.columns) == ["sample", "n_kept"]
    out = run("cartscope.cli", "report", "--out", settings.out)
    page = (settings.out / "report.html").read_text("utf-8")
    assert 'id="fig-kept"' in page
    # the house's own rules have nothing against it
    run("ruff", "check", "--config", CHECKOUT / "pyproject.toml", added)
    run("ruff", "format", "--check", "--config", CHECKOUT / "pyproject.toml", added)
