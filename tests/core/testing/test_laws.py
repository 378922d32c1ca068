"""The laws of stages: every registered stage obeys them all, and so do the core's operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages_for_tests import Copy
from unblur.model.kernel import Kernel
from unblur.model.stages import (
    Stage,
)
from unblur.numerics.operators import Blur, gradient, gradient_adjoint, taper
from unblur.plugins.manager import registry
from unblur.plugins.markers import hook
from unblur.testing import (
    Case,
    Law,
    LawBroken,
    SyntheticScene,
    check_adjoint,
    laws_of,
    stars,
    synthetic_scene,
)
from unblur_kotera import generator_fit

pytest_plugins = ["unblur.testing.fixtures"]

# Operators of the core.


@pytest.mark.parametrize("support", [(5, 5), (4, 6), (3, 4, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_blur_and_its_adjoint(support: tuple[int, ...], masked: bool) -> None:
    draw = torch.Generator().manual_seed(3)
    shape = (17, 20) if len(support) == 2 else (6, 9, 8)
    kernel = torch.rand(support, generator=draw, dtype=torch.float64)
    mask = (torch.rand(shape, generator=draw) > 0.2).double() if masked else None
    blur = Blur(kernel, shape, mask)
    check_adjoint(blur.forward, blur.adjoint, (2, *blur.domain))
    check_adjoint(blur.crop, blur.place, blur.domain)
    check_adjoint(
        lambda x: gradient(x, len(shape)), lambda g: gradient_adjoint(g, len(shape)), shape
    )


def test_a_false_adjoint_is_caught() -> None:
    kernel = torch.rand(5, 4, dtype=torch.float64)
    with pytest.raises(LawBroken, match="adjoint"):
        check_adjoint(lambda x: taper(x, kernel), lambda y: taper(y, kernel), (16, 16))
    with pytest.raises(LawBroken, match="the domain is"):
        check_adjoint(lambda x: x[1:], lambda y: y, (5,))


# Every registered stage.

QUICK: dict[str, dict[str, Any]] = {
    "camera-shake": {
        "params": {"size": 9, "refinements": 2},
        "scene": synthetic_scene((48, 48), noise=0.005),
    },
    "denoiser": {
        "exempt": {
            "proximal-lowers-its-objective": "a denoising network is the exact proximal map of no "
            "energy; that of the prior is stated for one noise level"
        },
    },
    "fitted-optics": {
        "params": {
            "na": 0.5,
            "emission_nm": 520,
            "immersion": "air",
            "pixel_um": 0.3,
            "step_um": 1,
            "size": 9,
        }
    },
    "given": {"params": {"weights": [[1, 2, 1], [0, 3, 1]]}},
    "kotera": {
        "params": {"size": 9, "iterations": 3, "width": 4},
        "scene": synthetic_scene((40, 40), noise=0.005),
    },
    "map": {
        "params": {"size": 9, "iterations": 2},
        "scene": synthetic_scene((48, 48), noise=0.005),
    },
    "optics": {
        "params": {
            "na": 0.5,
            "emission_nm": 520,
            "immersion": "air",
            "pixel_um": 0.3,
            "step_um": 1,
            "size": 9,
        }
    },
    "photograph": {"params": {"size": 9}, "scene": synthetic_scene((48, 48), noise=0.005)},
    "points": {"scene": stars()},
    "schuler": {"params": {"size": 9}},
    "selfdeblur": {
        "params": {"size": 9, "iterations": 3, "width": 4},
        "scene": synthetic_scene((40, 40), noise=0.005),
    },
    "svmap": {"params": {"iterations": 2}},
}
"""By stage name: `params` that make it quick, its `scene`, and laws it is `exempt` from, why."""


def _laws_of_stages() -> list[Any]:
    return [
        pytest.param(cls, law, id=f"{cls.kind}-{cls.name}-{law.name}")
        for cls in registry().stages.values()
        for law in laws_of(cls)
    ]


@pytest.fixture(autouse=True)
def short_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `kotera` fit its networks in a few iterations: no law concerns its quality."""
    monkeypatch.setattr(generator_fit, "MAX_FIT_ITERATIONS", 6)


@pytest.mark.parametrize(("cls", "law"), _laws_of_stages())
def test_registered_stage_obeys(cls: type[Stage], law: Law) -> None:
    setting = QUICK.get(cls.name, {})
    if law.name in setting.get("exempt", {}):
        pytest.skip(setting["exempt"][law.name])
    given = {"scene": setting["scene"]} if "scene" in setting else {}
    law.check(Case(cls, setting.get("params", {}), **given))


# What plugin authors get beside the laws.


def test_a_registry_of_some_plugins_only(registry_with: Any) -> None:
    class Plugin:
        @hook
        def unblur_stages(self) -> Any:
            return [Copy]

    assert list(registry_with(Plugin()).stages) == [("deconvolve", "copy")]


def test_a_scene_is_ready_made(blurred_scene: SyntheticScene) -> None:
    assert blurred_scene.blurred.shape == blurred_scene.sharp.shape == (1, 96, 96)


def test_scenes_are_blurred_as_they_say() -> None:
    """Against the definition: each blurred pixel is the sum over the kernel, centre n // 2."""
    given = synthetic_scene((24, 20), Kernel(np.arange(12, dtype=np.float32).reshape(3, 4)))
    k, x, y = given.kernel.weights, given.sharp[0], given.blurred[0]
    total = sum(float(k[i, j] * x[10 - (i - 1), 9 - (j - 2)]) for i in range(3) for j in range(4))
    assert float(y[10, 9]) == pytest.approx(total, abs=1e-6)
    assert float(stars().blurred.max()) == pytest.approx(1, abs=0.01)
