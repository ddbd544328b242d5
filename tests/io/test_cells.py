from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError


@pytest.fixture
def cells(rng) -> ad.AnnData:
    counts = sparse.random(60, 40, density=0.2, format="csr", random_state=1)
    counts.data = rng.integers(1, 300, counts.nnz).astype(np.uint16)
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(["a"] * 30 + ["b"] * 30, categories=["b", "a"]),
            "cell_type": pd.Categorical([None, "NK"] * 30),
            "anakinra": pd.array([True, None] * 30, dtype="boolean"),
            "crs_grade": [1.0, np.nan] * 30,
            "n": np.arange(60),
            "text": ["x", "y"] * 30,
        },
        index=[f"c{i}" for i in range(60)],
    )
    adata = ad.AnnData(
        obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(40)]), layers={"counts": counts}
    )
    cs.pp.normalize(adata)
    adata.obsm["X_pca"] = rng.normal(size=(60, 3)).astype(np.float32)
    adata.obsp["connectivities"] = sparse.random(60, 60, 0.1, "csr", random_state=2)
    adata.uns["cartscope"] = {
        "simulated": True,
        "car_features": [],
        "n": 3,
        "ingest": {"samples": {"a": {"x": [], "y": {}, "z": True}}, "n_counts_dropped": {"a": 0}},
    }
    return adata


SUFFIXES = pytest.mark.parametrize("suffix", ["h5ad", "zarr"])


@SUFFIXES
def test_cells_come_back_as_they_were(tmp_path, cells, suffix) -> None:
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    back = cs.io.read_cells(path)
    pd.testing.assert_frame_equal(back.obs, cells.obs)
    pd.testing.assert_frame_equal(back.var, cells.var)
    assert (back.X != cells.X).nnz == 0
    assert back.X.dtype == np.float32
    assert (back.layers["counts"] != cells.layers["counts"]).nnz == 0
    np.testing.assert_array_equal(back.obsm["X_pca"], cells.obsm["X_pca"])
    assert (back.obsp["connectivities"] != cells.obsp["connectivities"]).nnz == 0
    assert back.uns["cartscope"] == cells.uns["cartscope"]
    assert back.uns["cartscope"]["simulated"] is True


@SUFFIXES
def test_x_and_counts_share_their_structure_after_reading(tmp_path, cells, suffix) -> None:
    """383 million non-zeros are 3.1 GB once, 6.1 GB twice."""
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    back = cs.io.read_cells(path)
    assert np.shares_memory(back.X.indices, back.layers["counts"].indices)
    assert np.shares_memory(back.X.indptr, back.layers["counts"].indptr)


def test_the_shared_structure_stands_once_in_an_h5ad(tmp_path, cells) -> None:
    cs.io.write_cells(cells, tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad") as file:
        assert file["X/indices"] == file["layers/counts/indices"]
        assert file["X/indptr"] == file["layers/counts/indptr"]


@SUFFIXES
def test_matrices_that_do_not_share_come_back_right_too(tmp_path, cells, suffix) -> None:
    cells.X = sparse.random(60, 40, 0.3, "csr", np.float32, random_state=9)
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    back = cs.io.read_cells(path)
    assert (back.X != cells.X).nnz == 0
    assert (back.layers["counts"] != cells.layers["counts"]).nnz == 0


@SUFFIXES
def test_files_that_anndata_wrote_are_read(tmp_path, cells, suffix) -> None:
    path = tmp_path / f"cells.{suffix}"
    if suffix == "zarr":
        ad.io.write_elem(zarr.open_group(str(path), mode="w", zarr_format=2), "/", cells)
    else:
        cells.write_h5ad(path)
    back = cs.io.read_cells(path)
    assert (back.X != cells.X).nnz == 0
    assert (back.layers["counts"] != cells.layers["counts"]).nnz == 0


@SUFFIXES
def test_anndata_reads_what_we_write(tmp_path, cells, suffix) -> None:
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    back = ad.read_h5ad(path) if suffix == "h5ad" else ad.read_zarr(path)
    assert (back.X != cells.X).nnz == 0
    assert (back.layers["counts"] != cells.layers["counts"]).nnz == 0
    assert list(back.obs["text"]) == list(cells.obs["text"])


def test_a_slice_of_an_h5ad_opened_backed_is_the_slice(tmp_path, cells) -> None:
    cs.io.write_cells(cells, tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    np.testing.assert_array_equal(backed[5:9].X.toarray(), cells[5:9].X.toarray())
    backed.file.close()


@SUFFIXES
def test_the_same_bytes_every_time(tmp_path, cells, suffix) -> None:
    for name in ("a", "b"):
        cs.io.write_cells(cells, tmp_path / f"{name}.{suffix}")
    again = cs.io.read_cells(tmp_path / f"a.{suffix}")
    cs.io.write_cells(again, tmp_path / f"c.{suffix}")
    digests = {cs.io.sha256(tmp_path / f"{name}.{suffix}") for name in "abc"}
    assert len(digests) == 1


@SUFFIXES
def test_the_object_is_left_as_it_is(tmp_path, cells, suffix) -> None:
    cells.obs["holes"] = pd.Series(["x", None] * 30, index=cells.obs_names, dtype=object)
    before, x = cells.copy(), cells.X
    cs.io.write_cells(cells, tmp_path / f"cells.{suffix}")
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert cells.X is x
    assert cells.uns["cartscope"] == before.uns["cartscope"]
    back = cs.io.read_cells(tmp_path / f"cells.{suffix}")
    assert back.obs["holes"].isna().sum() == 30


@SUFFIXES
def test_an_earlier_file_stays_when_writing_fails(tmp_path, cells, suffix) -> None:
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    before = cs.io.sha256(path)
    cells.uns["bad"] = object()
    with pytest.raises(Exception, match="object"):
        cs.io.write_cells(cells, path)
    assert cs.io.sha256(path) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@SUFFIXES
def test_a_later_file_replaces_the_earlier_one_whole(tmp_path, cells, suffix) -> None:
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(cells, path)
    cs.io.write_cells(cells[:10].copy(), path)
    assert cs.io.read_cells(path).n_obs == 10
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_raw_survives(tmp_path, cells) -> None:
    cells.raw = cells.copy()
    cells = cells[:, :5].copy()
    cs.io.write_cells(cells, tmp_path / "cells.h5ad")
    assert cs.io.read_cells(tmp_path / "cells.h5ad").raw.shape == (60, 40)


def test_large_cohorts_are_written_as_zarr() -> None:
    assert cs.io.cells_path("out", 50_000).as_posix() == "out/cells.h5ad"
    assert cs.io.cells_path("out", 50_001).as_posix() == "out/cells.zarr"


def test_what_is_wrong_is_named(tmp_path, cells) -> None:
    with pytest.raises(InputError, match=r"cells.loom: cells are written as .h5ad or .zarr"):
        cs.io.write_cells(cells, tmp_path / "cells.loom")
    with pytest.raises(InputError, match=r"no.h5ad: no such file; run the step that writes it"):
        cs.io.read_cells(tmp_path / "no.h5ad")
    (tmp_path / "bad.h5ad").write_bytes(b"no hdf5")
    with pytest.raises(InputError, match=r"bad.h5ad: cannot be read"):
        cs.io.read_cells(tmp_path / "bad.h5ad")
    (tmp_path / "bad.zarr").mkdir()
    with pytest.raises(InputError, match=r"bad.zarr: "):
        cs.io.read_cells(tmp_path / "bad.zarr")
