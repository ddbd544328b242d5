"""Exact statistics for few patients: arrays in, arrays out.

Rank tests whose p-values are exact under ties, within strata too, Benjamini-Hochberg, permutation
of patients' labels, leave-one-patient-out influence, and what a comparison of so few patients can
show at all: smallest attainable p and q, power and minimum detectable effect.
"""

from cartscope.stats._attainable import (
    attainable_level,
    n_at_floor_needed,
    smallest_p,
    smallest_q,
)
from cartscope.stats._benjamini_hochberg import benjamini_hochberg
from cartscope.stats._hodges_lehmann import ShiftEstimate, hodges_lehmann
from cartscope.stats._leave_one_out import LeaveOneOut, leave_one_out
from cartscope.stats._mann_whitney import MannWhitney, mann_whitney
from cartscope.stats._permute import Permutation, permute
from cartscope.stats._power import detectable_effect, power
from cartscope.stats._proportion_interval import Proportion, proportion_interval
from cartscope.stats._relabel import Relabeled, relabel
from cartscope.stats._signed_rank import SignedRank, signed_rank
from cartscope.stats._van_elteren import VanElteren, van_elteren

__all__ = [
    "mann_whitney",
    "MannWhitney",
    "van_elteren",
    "VanElteren",
    "signed_rank",
    "SignedRank",
    "benjamini_hochberg",
    "permute",
    "Permutation",
    "relabel",
    "Relabeled",
    "leave_one_out",
    "LeaveOneOut",
    "smallest_p",
    "smallest_q",
    "attainable_level",
    "n_at_floor_needed",
    "power",
    "detectable_effect",
    "hodges_lehmann",
    "ShiftEstimate",
    "proportion_interval",
    "Proportion",
]
