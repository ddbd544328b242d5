from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

from cartscope.simulate import simulate

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Study:
    """A simulated study on disk, read with nothing of the package."""

    root: Path

    def suppl(self, accession: str) -> Path:
        return self.root / "geo" / "series" / f"{accession[:-3]}nnn" / accession / "suppl"

    def soft(self, accession: str) -> str:
        path = self.suppl(accession).parent / "soft" / f"{accession}_family.soft.gz"
        return gzip.decompress(path.read_bytes()).decode()

    def members(self, accession: str) -> list[str]:
        with tarfile.open(self.suppl(accession) / f"{accession}_RAW.tar") as tar:
            return tar.getnames()

    def read_library(
        self, accession: str, sample: str
    ) -> tuple[sp.csr_matrix, list[str], list[str]]:
        with tarfile.open(self.suppl(accession) / f"{accession}_RAW.tar") as tar:
            name = next(n for n in tar.getnames() if n.endswith(f"_{sample}.tar.gz"))
            packed = tar.extractfile(name).read()
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:

            def text(file: str) -> bytes:
                return gzip.decompress(tar.extractfile(f"{sample}/{file}").read())

            counts = scipy.io.mmread(io.BytesIO(text("matrix.mtx.gz")))
            features = text("features.tsv.gz").decode().splitlines()
            barcodes = text("barcodes.tsv.gz").decode().splitlines()
        return sp.csr_matrix(counts.T), features, barcodes

    @property
    def cells(self) -> pd.DataFrame:
        return pd.read_csv(self.root / "truth" / "cells.csv.gz", keep_default_na=False)

    @property
    def samples(self) -> pd.DataFrame:
        return pd.read_csv(self.root / "truth" / "samples.csv")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    simulate(root, cells=2000, seed=5, n_jobs=2)
    return Study(root)


@pytest.fixture
def tidy(study: Study) -> pd.DataFrame:
    """Sound cells with their sample's facts."""
    cells = study.cells
    sound = cells[~cells["doublet"] & (cells["damage"] == "")]
    columns = ["sample_id", "patient", "study", "timepoint", "sorted", "anakinra", "crs_grade"]
    return sound.merge(study.samples[columns], on="sample_id")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(11)
