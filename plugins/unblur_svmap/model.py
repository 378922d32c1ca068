"""The spatially-variant MAP model: reweighted least-squares steps with learned filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unblur.numerics.boundaries import saturation_mask
from unblur.numerics.fourier import apply_otf
from unblur.numerics.inpaint import fill
from unblur.numerics.operators import Blur, laplacian_otf
from unblur_svmap.banks import (
    Bank,
    LearnedFilters,
    data_filters,
    derivative_filters,
    fixed_identity,
    hyper_laplacian,
)
from unblur_svmap.filters import filter_pixels, filter_pixels_adjoint, spectrum
from unblur_svmap.solver_trace import Course, OnStep

SPREAD = 0.1
"""Standard deviation of image derivatives (white = 1) that the Gaussian prior assumes."""
RIDGE = 1e-6
"""Multiple of the identity that keeps the system definite where nothing was observed."""
NOISE_FLOOR = 1e-3

START_ITERATIONS = 3
RESTARTS = 6
"""Further starts of an image with clipped pixels, each believing what the last one allows."""

Data = Literal["learned", "l2"]
Regulariser = Literal["learned", "hyper-laplacian"]


@dataclass(frozen=True)
class Design:
    """Which parts are learned; Tables 3 and 4 of the paper vary these.

    Attributes
    ----------
    data : {"learned", "l2"}
        Learned filters on the residual, or the plain sum of squares.
    regulariser : {"learned", "hyper-laplacian"}
        Learned filters on the scene, or derivatives reweighted for the norm |.|^0.8.
    invariant : bool
        Learn one filter bank for all pixels and predict a weight per pixel and filter (SIMAP).
    steps : int
        Reweighted least-squares steps.
    iterations : int
        Conjugate-gradient iterations per step.
    """

    data: Data = "learned"
    regulariser: Regulariser = "learned"
    invariant: bool = False
    steps: int = 2
    iterations: int = 10


class SpatiallyVariantMap(nn.Module):
    """Solve Eq. 12 with filters predicted from the current estimate.

    At each of the steps, networks look at the estimate and predict F (3 filters of 5 x 5 per
    observed pixel) and G (5 per scene pixel); then conjugate gradients reduce

        sum_i |F_i (y - K x)|^2 + sum_j |G_j x|^2.

    K is `Blur`: the scene extends beyond the image by the kernel's reach, the data term covers
    the window that the camera saw, the regulariser the whole scene. The iteration is
    preconditioned by the nearest shift-invariant system, whose inverse is a Fourier division.

    Notes
    -----
    N_f sees the observation, the residual in units of the noise, and the noise level. N_g sees
    the estimate, a smoother Wiener estimate, the observation and the noise level: together
    they tell amplified noise from texture. What N_g predicts is multiplied by the weights that
    a hyper-Laplacian prior would have at the estimate (the omega of Eq. 11): it learns how to
    depart from that prior, which is what the model is at rest.

    A pixel that was clipped at white says only that the scene was as bright or brighter: it
    counts as observed while the estimate, blurred, is darker.
    """

    def __init__(self, design: Design | None = None) -> None:
        super().__init__()
        self.design = design = design or Design()
        data: list[nn.Module] = []
        regularisers: list[nn.Module] = []
        for _ in range(design.steps):
            if design.data == "learned":
                data.append(LearnedFilters(3, data_filters(), design.invariant))
            if design.regulariser == "learned":
                regularisers.append(LearnedFilters(4, derivative_filters(), design.invariant))
        self.data = nn.ModuleList(data)
        self.regularisers = nn.ModuleList(regularisers)

    def forward(
        self,
        blurred: Tensor,
        kernel: Tensor,
        noise: Tensor,
        mask: Tensor | None = None,
        clipped: Tensor | None = None,
    ) -> list[Tensor]:
        """Return the start and the estimate after each step, each (B, 1, H, W).

        Parameters
        ----------
        blurred : (B, 1, H, W)
            Observations that share one kernel, white = 1.
        kernel : (h, w)
            Blur kernel, centre at `n // 2`.
        noise : (B, 1, 1, 1)
            Standard deviation of the noise, white = 1.
        mask : (H, W), optional
            1 where a pixel was observed.
        clipped : (B, 1, H, W), optional
            1 where an observed pixel stands at white, and was clipped there.
        """
        return list(self.estimates(blurred, kernel, noise, mask, clipped))

    def estimates(
        self,
        blurred: Tensor,
        kernel: Tensor,
        noise: Tensor,
        mask: Tensor | None = None,
        clipped: Tensor | None = None,
        on_step: OnStep | None = None,
        course: Course | None = None,
    ) -> Iterator[Tensor]:
        """Yield what `forward` returns, one by one; `on_step` is called per iteration.

        A `course` that was recorded on an image lets a part of it be solved alike.
        """
        course = course or Course()
        blur = Blur(kernel, blurred.shape[-2:], mask)
        noise = noise.clamp_min(NOISE_FLOOR)
        blurred = fill(blurred, blur.mask, "kernel-weighted", blur=blur)
        view = blur.extend(blurred)
        level = (noise / SPREAD) ** 2
        x = wiener(view, blur, level)
        for number in range(1 if clipped is None else 1 + RESTARTS):
            seen = mask_saturated(blurred, x, blur, clipped) if number else blur
            x = start(blurred, x, seen, level, course, f"start {number}", on_step)
        smooth = wiener(view, blur, 10 * level)
        yield blur.crop(x)
        for step in range(self.design.steps):
            seen = mask_saturated(blurred, x, blur, clipped)
            # Passed on at once: filters of two steps would be twice the memory.
            x = solve(
                blurred,
                x,
                seen,
                self._data_bank(step, blurred, x, seen, noise),
                self._regulariser_bank(step, x, smooth, view, noise),
                self.design.iterations,
                course,
                f"step {step}",
                on_step,
            )
            yield blur.crop(x)

    def _data_bank(self, step: int, blurred: Tensor, x: Tensor, blur: Blur, noise: Tensor) -> Bank:
        if self.design.data == "l2":
            return fixed_identity(blurred)
        residual = seen_only(blurred, blur) - blur.forward(x)
        seen = torch.cat([blurred - 0.5, torch.asinh(residual / noise), tag(noise, blurred)], 1)
        bank: Bank = self.data[step](seen)
        return bank

    def _regulariser_bank(
        self, step: int, x: Tensor, smooth: Tensor, view: Tensor, noise: Tensor
    ) -> Bank:
        # The best weight grows somewhat slower than the noise's variance.
        scale = noise / SPREAD * (noise / 0.01) ** -0.2
        weights = (hyper_laplacian(x) * scale)[:, :, None]
        if self.design.regulariser == "hyper-laplacian":
            return derivative_filters().to(x).flatten(1)[None, :, :, None, None] * weights
        seen = torch.cat([x - 0.5, smooth - 0.5, view - 0.5, tag(noise, x)], 1)
        bank: Bank = self.regularisers[step](seen)
        return bank * weights if torch.is_grad_enabled() else bank.mul_(weights)


def tag(noise: Tensor, like: Tensor) -> Tensor:
    """Return the noise level as an image, on a logarithmic scale: 1 % is 0, e times as much 1/2."""
    return (torch.log(noise / 0.01) / 2).expand_as(like)


def mask_saturated(y: Tensor, x: Tensor, blur: Blur, clipped: Tensor | None) -> Blur:
    """Return the blur without the saturated pixels that scene `x`, blurred, exceeds."""
    if clipped is None:
        return blur
    predicted = blur.with_mask(None).forward(x)
    return blur.with_mask(saturation_mask(blur, y, predicted, clipped))


def seen_only(y: Tensor, blur: Blur) -> Tensor:
    """Return the observation with 0 under the mask."""
    return y if blur.mask is None else y * blur.mask


def wiener(view: Tensor, blur: Blur, level: Tensor) -> Tensor:
    """Return the l2 solution under a Gaussian prior on derivatives, for a periodic scene."""
    power = blur.otf.abs() ** 2
    prior = laplacian_otf(blur.domain, view)
    return apply_otf(view, blur.otf.conj() / (power + level * (prior + 1e-3)), 2)


def start(
    y: Tensor,
    x: Tensor,
    blur: Blur,
    level: Tensor,
    course: Course | None = None,
    name: str = "start",
    on_step: OnStep | None = None,
) -> Tensor:
    """Return the l2 solution under a Gaussian prior for the observed window (Sec. 3.3).

    The scene `x`, at first the periodic Wiener solution, corrected for the border and the mask
    by three conjugate gradients preconditioned by the Wiener filter itself.
    """
    prior = level * (laplacian_otf(blur.domain, x) + 1e-3)
    system = blur.otf.abs() ** 2 + prior

    def operator(x: Tensor) -> Tensor:
        return blur.adjoint(blur.forward(x)) + apply_otf(x, prior, 2)

    return (course or Course()).solve(
        name,
        operator,
        blur.adjoint(y),
        x,
        iterations=START_ITERATIONS,
        precondition=lambda r: apply_otf(r, 1 / system, 2),
        on_step=on_step,
    )


def solve(
    y: Tensor,
    x: Tensor,
    blur: Blur,
    f: Bank,
    g: Bank,
    iterations: int,
    course: Course | None = None,
    name: str = "step",
    on_step: OnStep | None = None,
) -> Tensor:
    """Take conjugate-gradient steps on the normal equations of Eq. 12 from `x`."""
    course = course or Course()
    power = blur.otf.abs() ** 2
    data = spectrum(course.correlation(f"{name}, data", f), blur.domain)
    system = power * data + spectrum(course.correlation(f"{name}, prior", g), blur.domain)
    # The mean filters may pass nothing at a frequency at which those of some pixels do.
    inverse = 1 / (system + 1e-3 * system.mean((-2, -1), keepdim=True).clamp_min(RIDGE))
    seen = filter_pixels(seen_only(y, blur), f, "zeros")
    return course.solve(
        name,
        lambda z: normal(z, blur, f, g),
        blur.adjoint(filter_pixels_adjoint(seen, f, "zeros")),
        x,
        iterations=iterations,
        precondition=lambda r: apply_otf(r, inverse, 2),
        on_step=on_step,
    )


def normal(x: Tensor, blur: Blur, f: Bank, g: Bank) -> Tensor:
    """Apply `K' F' F K + G' G + RIDGE` to a scene (B, 1, *domain): symmetric, positive definite."""
    seen = filter_pixels_adjoint(filter_pixels(blur.forward(x), f, "zeros"), f, "zeros")
    smooth = filter_pixels_adjoint(filter_pixels(x, g, "periodic"), g, "periodic")
    return blur.adjoint(seen) + smooth + RIDGE * x
