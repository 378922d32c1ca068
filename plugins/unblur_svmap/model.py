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
    FilterBank,
    LearnedFilters,
    data_filters,
    derivative_filters,
    fixed_identity,
    hyper_laplacian,
)
from unblur_svmap.filters import filter_pixels, filter_pixels_adjoint, spectrum
from unblur_svmap.solver_trace import OnStep, SolverTrace

DERIVATIVE_STD = 0.1
"""Standard deviation of image derivatives under the Gaussian prior, white = 1."""
RIDGE = 1e-6
"""Multiple of the identity in the normal equations, which keeps them definite where no pixel was
observed, dimensionless."""
NOISE_FLOOR = 1e-3
"""Smallest standard deviation of the noise that the model is given, white = 1."""

INITIAL_ITERATIONS = 3
"""Conjugate-gradient iterations of the initial solution, a count."""
RESTARTS = 6
"""Further initial solutions of an image with clipped pixels, each with the saturation mask of the
previous one, a count."""

DataTerm = Literal["learned", "l2"]
Regulariser = Literal["learned", "hyper-laplacian"]


@dataclass(frozen=True)
class ModelDesign:
    """Choice of the learned parts; Tables 3 and 4 of the paper vary it.

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

    data: DataTerm = "learned"
    regulariser: Regulariser = "learned"
    invariant: bool = False
    steps: int = 2
    iterations: int = 10


class SpatiallyVariantMap(nn.Module):
    """Solve the model (Dong Eq. 12) with filters predicted from the current estimate.

    At each reweighting, networks predict from the estimate F (3 filters of 5 x 5 per observed
    pixel, Dong Eq. 7) and G (5 per scene pixel, Dong Eq. 9); then conjugate gradients reduce

        sum_i |F_i (y - K x)|^2 + sum_j |G_j x|^2.

    K is `Blur`: the scene extends beyond the image by the kernel's half width, the data term
    covers the observed window, the regulariser the whole scene. The iteration is
    preconditioned by the nearest shift-invariant system, whose inverse is a Fourier division.

    Notes
    -----
    The inputs of N_f are the observation, the residual in units of the noise, and the noise
    level. Those of N_g are the estimate, a smoother Wiener estimate, the observation and the
    noise level, which together separate amplified noise from texture. The output of N_g is
    multiplied by the weights of a hyper-Laplacian prior at the estimate (omega, Dong Eq. 11):
    the network learns the departure from that prior, with which the model is initialised.

    A pixel clipped at white is a lower bound on the blurred scene: it counts as observed while
    the estimate, blurred, is darker.
    """

    def __init__(self, design: ModelDesign | None = None) -> None:
        super().__init__()
        self.design = design = design or ModelDesign()
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
        """Return the initial solution and the estimate after each step, each (B, 1, H, W).

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
            1 where an observed pixel was clipped at white.
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
        trace: SolverTrace | None = None,
    ) -> Iterator[Tensor]:
        """Yield what `forward` returns, one by one; `on_step` is called per iteration.

        With a `trace` recorded on an image, a tile of it is solved with the same coefficients.
        """
        trace = trace or SolverTrace()
        blur = Blur(kernel, blurred.shape[-2:], mask)
        noise = noise.clamp_min(NOISE_FLOOR)
        blurred = fill(blurred, blur.mask, "kernel-weighted", blur=blur)
        view = blur.extend(blurred)
        level = (noise / DERIVATIVE_STD) ** 2
        x = wiener(view, blur, level)
        for number in range(1 if clipped is None else 1 + RESTARTS):
            observed_blur = mask_saturated(blurred, x, blur, clipped) if number else blur
            x = initial_solution(
                blurred, x, observed_blur, level, trace, f"start {number}", on_step
            )
        smooth = wiener(view, blur, 10 * level)
        yield blur.crop(x)
        for step in range(self.design.steps):
            observed_blur = mask_saturated(blurred, x, blur, clipped)
            # No names for the filters: those of two steps would take twice the memory.
            x = solve(
                blurred,
                x,
                observed_blur,
                self._data_bank(step, blurred, x, observed_blur, noise),
                self._regulariser_bank(step, x, smooth, view, noise),
                self.design.iterations,
                trace,
                f"step {step}",
                on_step,
            )
            yield blur.crop(x)

    def _data_bank(
        self, step: int, blurred: Tensor, x: Tensor, blur: Blur, noise: Tensor
    ) -> FilterBank:
        if self.design.data == "l2":
            return fixed_identity(blurred)
        residual = apply_mask(blurred, blur) - blur.forward(x)
        inputs = torch.cat(
            [blurred - 0.5, torch.asinh(residual / noise), noise_map(noise, blurred)], 1
        )
        bank: FilterBank = self.data[step](inputs)
        return bank

    def _regulariser_bank(
        self, step: int, x: Tensor, smooth: Tensor, view: Tensor, noise: Tensor
    ) -> FilterBank:
        # The best weight was found to grow somewhat slower than the noise's variance.
        scale = noise / DERIVATIVE_STD * (noise / 0.01) ** -0.2
        weights = (hyper_laplacian(x) * scale)[:, :, None]
        if self.design.regulariser == "hyper-laplacian":
            return derivative_filters().to(x).flatten(1)[None, :, :, None, None] * weights
        inputs = torch.cat([x - 0.5, smooth - 0.5, view - 0.5, noise_map(noise, x)], 1)
        bank: FilterBank = self.regularisers[step](inputs)
        return bank * weights if torch.is_grad_enabled() else bank.mul_(weights)


def noise_map(noise: Tensor, like: Tensor) -> Tensor:
    """Return the noise level as an image, log(noise / 0.01) / 2: 0 at 1 % of white."""
    return (torch.log(noise / 0.01) / 2).expand_as(like)


def mask_saturated(y: Tensor, x: Tensor, blur: Blur, clipped: Tensor | None) -> Blur:
    """Return the blur with a mask that leaves out saturated pixels exceeded by blurred `x`."""
    if clipped is None:
        return blur
    predicted = blur.with_mask(None).forward(x)
    return blur.with_mask(saturation_mask(blur, y, predicted, clipped))


def apply_mask(y: Tensor, blur: Blur) -> Tensor:
    """Return the observation with 0 under the mask."""
    return y if blur.mask is None else y * blur.mask


def wiener(view: Tensor, blur: Blur, level: Tensor) -> Tensor:
    """Return the l2 solution under a Gaussian prior on derivatives, for a periodic scene."""
    power = blur.otf.abs() ** 2
    prior = laplacian_otf(blur.domain, view)
    return apply_otf(view, blur.otf.conj() / (power + level * (prior + 1e-3)), 2)


def initial_solution(
    y: Tensor,
    x: Tensor,
    blur: Blur,
    level: Tensor,
    trace: SolverTrace | None = None,
    name: str = "start",
    on_step: OnStep | None = None,
) -> Tensor:
    """Return the l2 solution under a Gaussian prior for the observed window (Dong Sec. 3.3).

    The scene `x`, first the periodic Wiener solution, is corrected for the border and the mask
    by three conjugate-gradient iterations preconditioned by the Wiener filter itself.
    """
    prior = level * (laplacian_otf(blur.domain, x) + 1e-3)
    system = blur.otf.abs() ** 2 + prior

    def operator(x: Tensor) -> Tensor:
        return blur.adjoint(blur.forward(x)) + apply_otf(x, prior, 2)

    return (trace or SolverTrace()).solve(
        name,
        operator,
        blur.adjoint(y),
        x,
        iterations=INITIAL_ITERATIONS,
        precondition=lambda r: apply_otf(r, 1 / system, 2),
        on_step=on_step,
    )


def solve(
    y: Tensor,
    x: Tensor,
    blur: Blur,
    f: FilterBank,
    g: FilterBank,
    iterations: int,
    trace: SolverTrace | None = None,
    name: str = "step",
    on_step: OnStep | None = None,
) -> Tensor:
    """Take conjugate-gradient steps on the normal equations of Dong Eq. 12 from `x`."""
    trace = trace or SolverTrace()
    power = blur.otf.abs() ** 2
    data = spectrum(trace.correlation(f"{name}, data", f), blur.domain)
    system = power * data + spectrum(trace.correlation(f"{name}, prior", g), blur.domain)
    # The mean filters may vanish at a frequency at which the filters of some pixels do not.
    inverse = 1 / (system + 1e-3 * system.mean((-2, -1), keepdim=True).clamp_min(RIDGE))
    filtered = filter_pixels(apply_mask(y, blur), f, "zeros")
    return trace.solve(
        name,
        lambda z: normal(z, blur, f, g),
        blur.adjoint(filter_pixels_adjoint(filtered, f, "zeros")),
        x,
        iterations=iterations,
        precondition=lambda r: apply_otf(r, inverse, 2),
        on_step=on_step,
    )


def normal(x: Tensor, blur: Blur, f: FilterBank, g: FilterBank) -> Tensor:
    """Apply `K' F' F K + G' G + RIDGE` to a scene (B, 1, *domain): symmetric, positive definite."""
    residual = filter_pixels_adjoint(filter_pixels(blur.forward(x), f, "zeros"), f, "zeros")
    smooth = filter_pixels_adjoint(filter_pixels(x, g, "periodic"), g, "periodic")
    return blur.adjoint(residual) + smooth + RIDGE * x
