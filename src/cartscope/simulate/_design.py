"""Who is in the simulated study: patients, libraries, grades, treatment, pools and channels.

The comparator's titles, GSM ids and loading pools are those of GSE197268. Everything that nobody
outside the trial has seen (the new cohort's samples, every grade, sex and treatment) is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import pandas as pd

from cartscope import _keys as k

NEW = "GSE246490"
COMPARATOR = "GSE197268"
TREATED = 2  # the grade at which tocilizumab and dexamethasone were given
SEVERE = 3
# (CRS, NT) by patient: 6 low and 4 high CRS with anakinra, 5 and 5 by either toxicity (one by NT
# alone); 4 low without; 16 comparator patients with a day-7 sample, 6 low and 10 high, with NT
# grades spread evenly over the two so that the one does not stand for the other, and CRS grades
# spread evenly over the published responders and non-responders, to whom nothing is planted.
_ANAKINRA = ((1, 1), (2, 2), (1, 0), (0, 0), (3, 3), (1, 3), (1, 1), (2, 0), (1, 0), (2, 2))
_NO_ANAKINRA = ((1, 0), (1, 1), (0, 0), (1, 1))
_COMPARATOR = {
    1: (1, 1), 2: (1, 0), 3: (1, 1), 4: (2, 3), 5: (1, 0), 6: (3, 2), 7: (1, 2), 8: (2, 1),
    9: (2, 3), 10: (1, 1), 11: (1, 2), 12: (2, 2), 13: (2, 0), 14: (3, 1), 15: (2, 0),
    16: (1, 3), 17: (1, 0), 18: (4, 1), 19: (2, 2),
}  # fmt: skip
# products and CAR-sorted day-7 libraries of the new cohort: 11 and 3, with 14 unsorted ones, which
# is the reading of the printed means per library (about 11 products and 17 day-7 libraries)
_NEW_PRODUCTS = {True: (1, 2, 3, 4, 5, 7, 8, 10), False: (1, 2, 4)}
_NEW_SORTED = {True: (2, 5), False: (3,)}
_FEMALE = {"A": (1, 4, 6, 8), "N": (2, 3), "C": (2, 7, 8, 9, 12, 13, 18)}


@dataclass(frozen=True)
class Patient:
    """One patient of the simulated study."""

    name: str
    study: str
    anakinra: bool
    crs: int
    nt: int
    sex: str
    tocilizumab: bool  # before the day-7 sample
    steroid: bool

    @property
    def crs_high(self) -> bool:
        """CRS of grade 2 or above."""
        return self.crs >= TREATED

    @property
    def nt_high(self) -> bool:
        """Neurotoxicity of grade 2 or above."""
        return self.nt >= TREATED

    @property
    def toxic(self) -> bool:
        """Either of the two."""
        return self.crs_high or self.nt_high


@dataclass(frozen=True)
class Library:
    """One sample as GEO lists it."""

    gsm: str
    title: str
    patient: Patient
    timepoint: str
    sorted: bool
    pool: str
    channel: str
    failed: bool = False

    @property
    def sample_id(self) -> str:
        """The title, safe as a file name."""
        return self.title.replace(" ", "-")

    @property
    def product(self) -> bool:
        """Whether this is an infusion product."""
        return self.timepoint == k.timepoints.infusion_product


def _patient(
    name: str, *, study: str, anakinra: bool, grades: tuple[int, int], sex: str
) -> Patient:
    crs, nt = grades
    # tocilizumab and dexamethasone were for grade >= 2 only, and often before the day-7 sample
    return Patient(
        name=name,
        study=study,
        anakinra=anakinra,
        crs=crs,
        nt=nt,
        sex=sex,
        tocilizumab=crs >= TREATED,
        steroid=crs >= SEVERE or nt >= TREATED,
    )


def _new_cohort() -> list[Library]:
    found = []
    for arm, grades in ((True, _ANAKINRA), (False, _NO_ANAKINRA)):
        word = "Anakinra" if arm else "NoAnakinra"
        for number, pair in enumerate(grades, start=1):
            sex = "female" if number in _FEMALE["A" if arm else "N"] else "male"
            patient = _patient(
                f"{NEW}-{word}-{number:02d}", study=NEW, anakinra=arm, grades=pair, sex=sex
            )
            kinds = [("D7", k.timepoints.day7, False)]
            if number in _NEW_PRODUCTS[arm]:
                kinds.insert(0, ("Infusion", k.timepoints.infusion_product, False))
            if number in _NEW_SORTED[arm]:
                kinds.append(("D7-CART", k.timepoints.day7, True))
            for kind, timepoint, is_sorted in kinds:
                # untreated patients were run later, in pools of their own
                pool = f"{'N' if arm else 'U'}{(number + 1) // 2}-{kind}"
                found.append(
                    Library(
                        gsm=f"GSMSIM{len(found) + 1:04d}",
                        title=f"SIM {word} {number:02d} {kind}",
                        patient=patient,
                        timepoint=timepoint,
                        sorted=is_sorted,
                        pool=pool,
                        channel=f"{pool}-1",
                    )
                )
    return found


def _comparator() -> list[Library]:
    text = resources.files("cartscope.simulate") / "data" / "comparator.csv"
    with text.open() as handle:
        table = pd.read_csv(handle, keep_default_na=False)
    found = []
    timepoints = {"Infusion": k.timepoints.infusion_product, "Baseline": k.timepoints.baseline}
    for row in table.itertuples(index=False):
        patient = _patient(
            f"{COMPARATOR}-{row.patient}",
            study=COMPARATOR,
            anakinra=False,
            grades=_COMPARATOR[row.patient],
            sex="female" if row.patient in _FEMALE["C"] else "male",
        )
        pool = row.pool or row.sample_title
        found.append(
            Library(
                gsm=row.gsm,
                title=row.sample_title,
                patient=patient,
                timepoint=timepoints.get(row.sample_type, k.timepoints.day7),
                sorted=row.sample_type == "D7-CART",
                pool=pool,
                channel=f"{pool}-1",
            )
        )
    return found


@lru_cache(maxsize=2)
def libraries(*, failed_library: bool = False) -> tuple[Library, ...]:
    """Return every library of the simulated study, new cohort first.

    Parameters
    ----------
    failed_library
        Whether the last CAR-sorted library of the new cohort failed, as one of the real CAR
        T-cell libraries that this was modelled on did (a median of 24 UMI a cell).

    Returns
    -------
    Libraries in the order of their GSM ids.
    """
    found = _new_cohort()
    if failed_library:
        last = max(i for i, lib in enumerate(found) if lib.sorted)
        found[last] = replace(found[last], failed=True)
    return (*found, *_comparator())


def patients() -> tuple[Patient, ...]:
    """Return every patient once, in order."""
    return tuple({lib.patient.name: lib.patient for lib in libraries()}.values())
