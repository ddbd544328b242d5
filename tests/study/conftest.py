"""A small study in a folder with samples.csv: ten libraries of ten patients, with grades."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cartscope.manifest import manifest_dir
from cartscope.study import Settings, reproduce

if TYPE_CHECKING:
    from pathlib import Path

CELLS = 220
SEED = 5


@pytest.fixture(scope="session")
def study_dir(tmp_path_factory) -> Path:
    """One .h5ad per unsorted day-7 library of the simulated new cohort, and samples.csv."""
    from cartscope.simulate import simulate_adata

    folder = tmp_path_factory.mktemp("study")
    ids = [f"SIM-Anakinra-{i:02d}-D7" for i in range(1, 11)]
    adata = simulate_adata(ids, cells=CELLS, seed=SEED)
    rows = []
    for sample, obs in adata.obs.groupby("sample", observed=True):
        part = adata[obs.index].copy()
        part.obs_names = [name.removeprefix(f"{sample}_") for name in part.obs_names]
        part.obs = part.obs[[]]
        part.uns.clear()
        part.write_h5ad(folder / f"{sample}.h5ad")
        first = obs.iloc[0]
        rows.append(
            {
                "sample_id": sample,
                "path": f"{sample}.h5ad",
                "patient": first["patient"],
                "study": "GSE246490",
                "timepoint": "day7",
                "day": 7,
                "sorted": "false",
                "anakinra": "true",
                "crs_grade": first["crs_grade"],
                "nt_grade": first["nt_grade"],
                "car_features": "Yescarta",
                "simulated": "true",
                "plate": f"plate-{len(rows) % 2}",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "samples.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def quick_manifests(tmp_path_factory) -> Path:
    """Manifests of the user's: only the sets that claims name, and smaller profiles."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "params").mkdir()
    text = (manifest_dir() / "params" / "recommended.toml").read_text("utf-8")
    text = text.replace('["study", "hallmark", "reactome"]', '["study"]')
    assert '["study"]' in text
    (folder / "params" / "recommended.toml").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(study_dir, quick_manifests, tmp_path_factory):
    """A finished run; tests read it and leave it as it is."""
    out = tmp_path_factory.mktemp("finished") / "results"
    return reproduce(
        Settings(data=str(study_dir), out=out, manifests=quick_manifests, seed=1, jobs=1)
    )


@pytest.fixture
def copy_of(finished, tmp_path):
    """A copy of the finished run that a test may change."""

    def make(**settings):
        from dataclasses import replace

        out = tmp_path / "copy"
        if not out.exists():
            shutil.copytree(finished.context.settings.out, out)
        return replace(finished.context.settings, out=out, **settings)

    return make
