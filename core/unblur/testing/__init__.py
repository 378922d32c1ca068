"""The laws that every stage obeys, for its author to check.

In a plugin's tests, one call is enough:

>>> from unblur.testing import check_stage
>>> check_stage(MyStage)                                      # doctest: +SKIP

or one test per law, each with its own line in the report:

>>> import pytest                                             # doctest: +SKIP
>>> @pytest.mark.parametrize("law", laws_of(MyStage), ids=lambda law: law.name)
... def test_my_stage(law):                                   # doctest: +SKIP
...     law.check(Case(MyStage))

`pytest_plugins = ["unblur.testing.fixtures"]` in a `conftest.py` brings fixtures as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

from unblur.model.stages import Stage
from unblur.testing.adjoint import check_adjoint
from unblur.testing.general_laws import GENERAL
from unblur.testing.imaging_laws import MAKES_IMAGES
from unblur.testing.law import Case, Law, LawBroken
from unblur.testing.prior_laws import PRIORS
from unblur.testing.scenes import SyntheticScene, gaussian, lopsided, stars, synthetic_scene

__all__ = [
    "LAWS",
    "Case",
    "Law",
    "LawBroken",
    "SyntheticScene",
    "check_adjoint",
    "check_stage",
    "gaussian",
    "laws_of",
    "lopsided",
    "stars",
    "synthetic_scene",
]

LAWS: tuple[Law, ...] = (*GENERAL, *MAKES_IMAGES, *PRIORS)
"""Every law; the one list that all law tests run through."""


def laws_of(cls: type[Stage]) -> list[Law]:
    """Return the laws that bind a stage class."""
    return [law for law in LAWS if cls.kind in law.kinds]


def check_stage(
    cls: type[Stage],
    params: Mapping[str, Any] | None = None,
    *,
    on: SyntheticScene | None = None,
    device: str = "cpu",
    exempt: Mapping[str, str] | None = None,
) -> list[str]:
    """Check a stage against every law of its kind.

    Parameters
    ----------
    cls : type of Stage
        The stage class.
    params : mapping, optional
        Params that make it quick enough for a test; the rest default.
    on : SyntheticScene, optional
        What to run it on; boxes on a slope by default, `stars()` for estimators of points.
    device : str
        Where to run it.
    exempt : mapping of law name to reason, optional
        Laws that do not bind this stage, each with the reason.

    Returns
    -------
    list of str
        Names of the laws that held; those skipped or exempt are not among them.

    Raises
    ------
    LawBroken
        At the first law that does not hold.
    """
    case = Case(cls, params or {}, device=device, **({} if on is None else {"scene": on}))
    held = []
    for law in laws_of(cls):
        if law.name in (exempt or {}):
            continue
        try:
            law.check(case)
        except SkipTest:
            continue
        held.append(law.name)
    return held
