from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError


def rows(*counts: tuple[int, int], depth: int = 100_000) -> ad.AnnData:
    """Pseudobulk rows with (XIST, RPS4Y1) counts."""
    x = np.array([[a, b, depth - a - b] for a, b in counts])
    obs = pd.DataFrame({"patient": [f"p{i}" for i in range(len(counts))]})
    obs.index = [f"r{i}" for i in range(len(counts))]
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=["XIST", "RPS4Y1", "ACTB"]))


def test_female_male_and_neither():
    pdata = rows((50, 0), (0, 40), (50, 40), (0, 0), (50, 4))
    cs.pp.infer_sex(pdata)
    assert list(pdata.obs["sex_inferred"]) == ["female", "male", "unknown", "unknown", "female"]


def test_rows_of_a_patient_are_judged_together():
    pdata = rows((0, 0), (30, 0))
    pdata.obs["patient"] = "p1"
    cs.pp.infer_sex(pdata)
    assert list(pdata.obs["sex_inferred"]) == ["female", "female"]
    cs.pp.infer_sex(pdata, by=None)
    assert list(pdata.obs["sex_inferred"]) == ["unknown", "female"]


def test_the_clinical_sex_is_left_alone():
    pdata = rows((50, 0))
    pdata.obs["sex"] = "male"  # an allogeneic transplant
    cs.pp.infer_sex(pdata)
    assert pdata.obs["sex"].tolist() == ["male"]
    assert list(pdata.obs["sex_inferred"]) == ["female"]


def test_other_genes_can_be_named():
    pdata = rows((50, 0))
    pdata.var_names = ["TSIX", "DDX3Y", "ACTB"]
    cs.pp.infer_sex(pdata, female=["XIST", "TSIX"], male=["DDX3Y"])
    assert list(pdata.obs["sex_inferred"]) == ["female"]


def test_errors():
    pdata = rows((50, 0))
    with pytest.raises(MissingKeyError, match=r"adata.obs\['donor'\] is missing"):
        cs.pp.infer_sex(pdata, by="donor")
    pdata.var_names = ["XIST", "B", "C"]
    with pytest.raises(InputError, match=r"one of .*XIST.* and one of .*RPS4Y1"):
        cs.pp.infer_sex(pdata)
