"""The four kinds of stage that a pipeline is made of.

Stages process float32 torch tensors `(C, H, W)`, or `(C, Z, Y, X)` if `dimensions` holds 3,
scaled so that the image's white is 1. The engine scales and tiles images, and undoes both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from unblur.model.context import Context
from unblur.model.estimates import Estimate as Estimate
from unblur.model.estimates import ImageWindow as ImageWindow
from unblur.model.kernel import Kernel, KernelField
from unblur.model.params import Params as Params
from unblur.model.params import validate_params

if TYPE_CHECKING:
    from torch import Tensor

    from unblur.model.image import Image

Kind = Literal["kernel", "deconvolve", "prior", "postprocess"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Stage(ABC):
    """A named step with validated params.

    Subclass one of the four kinds below. Class attributes describe the stage to users;
    `Params` is a nested pydantic model (see `unblur.model.params.Params`).

    Attributes
    ----------
    name : str
        What pipeline files call it: lower case, words joined by hyphens.
    summary : str
        One line for `unblur list`.
    cites : str
        The paper that the method comes from.
    dimensions : frozenset of int
        Numbers of spatial axes that the stage handles, {2} or {2, 3}.

    Raises
    ------
    ParamsError
        On construction, if a param is unknown or out of bounds.
    """

    kind: ClassVar[Kind]
    name: ClassVar[str]
    summary: ClassVar[str]
    cites: ClassVar[str] = ""
    dimensions: ClassVar[frozenset[int]] = frozenset({2})
    Params: ClassVar[type[Params]] = Params

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "Params" in vars(cls):
            cls.Params.stage_name = getattr(cls, "name", "")

    def __init__(self, params: Any = None, **values: Any) -> None:
        given = params if isinstance(params, self.Params) else {**(params or {}), **values}
        self.params: Any = validate_params(self.Params, given, f"{self.kind} '{self.name}'")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.params})"

    def warnings(self) -> tuple[str, ...]:
        """Return sentences on the chosen params that every run shows as warnings; none here."""
        return ()


class KernelEstimator(Stage):
    """Estimates the blur kernel of an image.

    Attributes
    ----------
    region : int
        Edge of the region to estimate from, in pixels; of a larger image, the most textured
        regions are used.
    """

    kind = "kernel"
    region: ClassVar[int] = 512

    @abstractmethod
    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel of `blurred`.

        Parameters
        ----------
        blurred : (C, H, W) float32
            Finite everywhere, white = 1.
        context : Context
            Device, seed, noise, progress, cancellation.
        mask : (H, W) float32, optional
            1 = valid pixel, 0 = NaN, saturated or dead. The opposite of the masks of `numpy.ma`
            and astropy, where True marks an invalid value.
        """

    def known_kernel(self) -> KernelField | None:
        """Return the kernel if it depends on no image, as one from a file; None by default."""
        return None

    def kernel_from_metadata(self, image: Image, ndim: int) -> Estimate | None:
        """Return the kernel if the image's metadata and the params determine it; None by default.

        `estimate` is then not called. `ndim` is the number of axes of the kernel, 3 for a stack
        whose steps handle volumes. The choices of the estimate state every value that was used.
        """
        return None

    def prepare_for_image(self, image: Image, ndim: int) -> Self:
        """Return a copy that holds what it needs of the image's metadata; itself by default.

        Called before `estimate`, which gets values alone. `ndim` is as for `kernel_from_metadata`.
        """
        return self

    def prepare_for_windows(self) -> Self:
        """Return the estimator that runs on windows of a larger image; itself by default.

        One that may return several kernels returns a copy here that returns one: those of a window
        refer to its own middle, not to the image's.
        """
        return self

    def estimate_from_windows(
        self, windows: Sequence[ImageWindow], extent: Sequence[int], context: Context
    ) -> Estimate | None:
        """Return the kernels of an image too large to be read at once; None by default.

        Optional: without it the most textured windows are estimated on and averaged.

        Parameters
        ----------
        windows : sequence of ImageWindow
            Windows whose interiors cover the image.
        extent : sequence of int
            Spatial extents of the image, in pixels.
        context : Context
            As for `estimate`.
        """
        return None

    def kernel_size(self, blurred: Tensor, context: Context) -> int | None:
        """Return an extent in pixels that holds the kernel of `blurred`, or None by default.

        Optional: other estimators call it for a kernel size of "auto". `blurred` is (C, H, W),
        finite everywhere, white = 1.
        """
        return None


class Deconvolver(Stage):
    """Inverts a known blur.

    Attributes
    ----------
    tolerance : float
        Largest difference, white = 1, between a tile with its `halo` and the whole image.
    keeps_light : bool
        Whether the sum of an image's values stays as it is; a run warns where it does not.
    bounds_saturated: bool
        Whether saturated pixels (`Context.saturation_level`) are lower bounds on the blurred
        result. Other stages leave them out, and are given each channel with a mask of its own
        where pixels are saturated in some channels alone.
    """

    kind = "deconvolve"
    tolerance: ClassVar[float] = 1e-3
    keeps_light: ClassVar[bool] = False
    bounds_saturated: ClassVar[bool] = False

    @property
    def couples_channels(self) -> bool:
        """Whether channels depend on one another, by the params; False by default.

        The engine then gives all channels at once, with the pixels that are valid in all of them.
        Otherwise it may give each alone, with its own valid pixels, noise and contrast.
        """
        return False

    @property
    def needs_noise(self) -> bool:
        """Whether the noise of the image counts (`Context.noise`), by the params; True by default.

        The windows of a field of kernels then share one estimate of it.
        """
        return True

    @abstractmethod
    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`.

        Parameters
        ----------
        blurred : (C, *spatial) float32
            Finite everywhere, white = 1. The scene goes on beyond the border.
        kernel : Kernel
            With as many axes as the image has spatial ones.
        context : Context
            Device, seed, noise, progress, cancellation.
        mask : (*spatial) float32, optional
            1 = valid pixel, 0 = NaN, saturated or dead. The opposite of the masks of `numpy.ma`
            and astropy, where True marks an invalid value.
        """

    @abstractmethod
    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return how many pixels around a tile, per spatial axis, make it equal the whole.

        It suffices for every image. The engine adds a kernel's width, see `tile_halo`.
        """

    def tile_halo(self, kernel: Kernel, context: Context) -> tuple[int, ...]:
        """Return how many pixels around the interior of an image's tile are read, per axis.

        By default `halo` and one kernel width: within a kernel width of a tile's border the scene
        is under-determined, and the error decays beyond it. A stage may return fewer where the
        image's own noise and contrast, `context.noise` and `context.contrast`, suffice to know
        how far its pixels matter; both are `None` where they were not measured.
        """
        return tuple(h + n - 1 for h, n in zip(self.halo(kernel), kernel.shape, strict=True))

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return a copy whose data-dependent settings are fixed from a representative region.

        All tiles of an image, or all images of a batch, then use the same number of iterations,
        background, noise map and so on. The arguments are those of `deconvolve`, for the region.
        """
        return self


class Prior(Stage):
    """A model of sharp images, as an energy that is small for them.

    A prior is used inside other stages, which call the methods that they need; each takes
    (C, *spatial) tensors, white = 1.

    Attributes
    ----------
    stop_score : float
        Blur score at or below which a search for a kernel stops.
    """

    kind = "prior"
    stop_score: ClassVar[float] = float("-inf")

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """Return the energy of `x`, a scalar tensor."""

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy` at `x`, of the same shape (a subgradient at kinks).

        By default `energy` is differentiated by back-propagation, as it must allow then.
        """
        import torch

        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.energy(leaf), leaf)
        return gradient

    @abstractmethod
    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return `argmin_u step * energy(u) + |u - x|^2 / 2`, exactly or by a stated method."""

    def blur_score(self, x: Tensor) -> float | None:
        """Return a contrast-invariant blur score, lower for sharper images; None if undefined."""
        return None


class Postprocessor(Stage):
    """Processes an image without deconvolving it."""

    kind = "postprocess"
    tolerance: ClassVar[float] = 1e-3

    @abstractmethod
    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the processed image.

        Parameters
        ----------
        image : (C, *spatial) float32
            Result of the steps before, white = 1.
        blurred : (C, *spatial) float32
            The pipeline's input, for steps that compare with it.
        kernel : Kernel, optional
            The kernel in use, where there is one.
        context : Context
            Device, seed, noise, progress, cancellation.
        """

    def halo(self, kernel: Kernel | None) -> tuple[int, ...]:
        """Return how many pixels around a tile make it equal the whole; none by default."""
        return (0,) * (kernel.ndim if kernel is not None else 2)

    def calibrate(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return a copy whose data-dependent settings are fixed from a representative region.

        As `Deconvolver.calibrate`; the arguments are those of `process`, for the region.
        """
        return self


KIND_CLASSES: dict[Kind, type[Stage]] = {
    "kernel": KernelEstimator,
    "deconvolve": Deconvolver,
    "prior": Prior,
    "postprocess": Postprocessor,
}
