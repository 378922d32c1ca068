"""Laws that every stage obeys, as executable checks for plugin authors.

In the tests of a plugin, one call checks all of them:

>>> from unblur.testing import check_stage
>>> check_stage(MyStage)                                      # doctest: +SKIP

or one test per law, each listed separately in pytest's report:

>>> import pytest                                             # doctest: +SKIP
>>> @pytest.mark.parametrize("law", laws_of(MyStage), ids=lambda law: law.name)
... def test_my_stage(law):                                   # doctest: +SKIP
...     law.check(Case(MyStage))

`pytest_plugins = ["unblur.testing.fixtures"]` in a `conftest.py` provides fixtures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

from unblur.model.stages import Stage
from unblur.old_names import current_laws
from unblur.testing.adjoint import check_adjoint
from unblur.testing.general_laws import GENERAL
from unblur.testing.imaging_laws import MAKES_IMAGES
from unblur.testing.law import Case, Law, LawBroken
from unblur.testing.prior_laws import PRIORS
from unblur.testing.scenes import SyntheticScene, gaussian, lopsided, stars, synthetic_scene
from unblur.testing.star_fields import StarField, moffat, star_field

__all__ = [
    "LAWS",
    "Case",
    "Law",
    "LawBroken",
    "StarField",
    "SyntheticScene",
    "check_adjoint",
    "check_stage",
    "gaussian",
    "laws_of",
    "lopsided",
    "moffat",
    "star_field",
    "stars",
    "synthetic_scene",
]

LAWS: tuple[Law, ...] = (*GENERAL, *MAKES_IMAGES, *PRIORS)
"""All laws; the tests of laws are parametrized over this tuple."""


def laws_of(cls: type[Stage]) -> list[Law]:
    """Return the laws that apply to a stage class."""
    return [law for law in LAWS if cls.kind in law.kinds]


def check_stage(
    cls: type[Stage],
    params: Mapping[str, Any] | None = None,
    *,
    on: SyntheticScene | None = None,
    device: str = "cpu",
    exempt: Mapping[str, str] | None = None,
) -> list[str]:
    """Check that a stage obeys every law of its kind.

    Parameters
    ----------
    cls : type of Stage
        The stage class.
    params : mapping, optional
        Params that reduce the run time for the test; the others have their defaults.
    on : SyntheticScene, optional
        Image to run the stage on; boxes on a gradient by default. Use `stars()` for estimators
        that need point sources.
    device : str
        Torch device.
    exempt : mapping of law name to reason, optional
        Laws that do not apply to this stage, each with the reason.

    Returns
    -------
    list of str
        Names of the laws that hold, without those skipped or exempt.

    Raises
    ------
    LawBroken
        If a law does not hold; the check stops at the first.
    """
    case = Case(cls, params or {}, device=device, **({} if on is None else {"scene": on}))
    exempt = current_laws(exempt or {})
    held = []
    for law in laws_of(cls):
        if law.name in exempt:
            continue
        try:
            law.check(case)
        except SkipTest:
            continue
        held.append(law.name)
    return held
