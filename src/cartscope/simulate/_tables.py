"""Tables of a simulated study that are not about single cells."""

from __future__ import annotations

import pandas as pd

from cartscope import _keys as k
from cartscope.simulate._design import Library, patients


def sample_row(lib: Library, truth: pd.DataFrame, *, ambient: float) -> dict[str, object]:
    """Return a library's row of ``truth/samples.csv``.

    Parameters
    ----------
    lib
        Which library.
    truth
        Its droplets.
    ambient
        Share of its molecules that are ambient.
    """
    p = lib.patient
    sound = truth[~truth["doublet"] & (truth["damage"] == "")]
    t_cells = sound[sound["cell_type"] == "T"]
    day7 = lib.timepoint == k.timepoints.day7
    return {
        "sample_id": lib.sample_id,
        "gsm": lib.gsm,
        "patient": p.name,
        "study": p.study,
        "timepoint": lib.timepoint,
        "day": 7 if day7 else 0,
        "sorted": lib.sorted,
        "product": "axi-cel",
        "anakinra": p.anakinra,
        "crs_grade": p.crs,
        "nt_grade": p.nt,
        "sex": p.sex,
        "pool": lib.pool,
        "channel": lib.channel,
        "tocilizumab_before_sample": str(p.tocilizumab and day7).lower(),
        "steroid_before_sample": str(p.steroid and day7).lower(),
        "n_droplets": len(truth),
        "n_sound": len(sound),
        "car_share_of_t": round(float(t_cells["car"].mean()), 4) if len(t_cells) else float("nan"),
        "ambient_share": round(ambient, 5),
        "failed": lib.failed,
    }


def grades_table() -> pd.DataFrame:
    """Return the simulated grades, in the form of a user's ``grades.csv``.

    Returns
    -------
    One row per patient: patient, crs_grade, nt_grade, and scale, which says SIMULATED.

    Examples
    --------
    >>> import cartscope as cs
    >>> cs.simulate.grades_table()["scale"].unique().tolist()
    ['SIMULATED']
    """
    rows = [(p.name, p.crs, p.nt, "SIMULATED") for p in patients()]
    return pd.DataFrame(rows, columns=["patient", "crs_grade", "nt_grade", "scale"])
