"""What a kernel estimator returns, and the windows of a large image that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING

from unblur.model.confidence import valid_confidence
from unblur.model.kernel import Kernel, KernelField

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Estimate:
    """The result of a kernel estimator.

    Attributes
    ----------
    field : KernelField
        The kernel, or kernels over the image.
    latent : (C, H, W) tensor, optional
        The sharp image, if the method computes one; white = 1.
    notes : tuple of str
        Remarks on the estimate, one sentence each; shown as warnings.
    confidence : float, optional
        Probability that the result gains at least 0.5 dB in PSNR, in [0, 1]; None where the
        method has no measure of it.
    choices : mapping of str to str
        What the method chose on evidence, as the kind of the image, each with the evidence in
        words; shown in the report.

    Raises
    ------
    KernelError
        If the confidence is no number in [0, 1].
    """

    field: KernelField
    latent: Tensor | None = None
    notes: tuple[str, ...] = ()
    confidence: float | None = None
    choices: Mapping[str, str] = dataclass_field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.confidence is not None:
            object.__setattr__(self, "confidence", valid_confidence(self.confidence))

    @classmethod
    def of(
        cls,
        kernel: Kernel,
        latent: Tensor | None = None,
        notes: tuple[str, ...] = (),
        *,
        confidence: float | None = None,
        choices: Mapping[str, str] | None = None,
    ) -> Estimate:
        """Return an estimate that holds one kernel for the whole image."""
        return cls(KernelField.single(kernel), latent, notes, confidence, choices or {})

    @property
    def kernel(self) -> Kernel:
        """The kernel, averaged where there are several."""
        return self.field.mean


@dataclass(frozen=True, eq=False)
class ImageWindow:
    """A window of an image that is read when it is needed.

    Attributes
    ----------
    interior, padded : tuple of slice
        Pixels of the image that the window stands for, and those that it holds, per spatial axis.
    read : callable
        Returns the values (C, *spatial), white = 1, and the mask of valid pixels or None, of the
        padded window.
    """

    interior: tuple[slice, ...]
    padded: tuple[slice, ...]
    read: Callable[[], tuple[Tensor, Tensor | None]]
