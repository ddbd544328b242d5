from __future__ import annotations

import numpy as np
import pandas as pd

from cartscope.study.steps.label_agreement import agreement


def test_cells_that_keep_their_type_are_counted_for_all_and_by_type():
    said = np.array(["T", "T", "T", "B", "unassigned"])
    again = np.array(["T", "T", "NK", "B", "T"])
    table = agreement(said, again).set_index("cell_type")
    assert table.loc["", "agreement"] == 0.6
    assert table["n_cells"].to_dict() == {"": 5, "B": 1, "T": 3, "unassigned": 1}
    assert table.loc[["T", "B", "unassigned"], "agreement"].tolist() == [2 / 3, 1.0, 0.0]


def test_without_a_cell_to_judge_nothing_is_said():
    none = np.array([], dtype=str)
    table = agreement(none, none)
    assert len(table) == 1
    assert pd.isna(table["agreement"].item())
