"""A convolution layer that selects the fastest algorithm for its shape, type and device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.accel.convolution.borders import reflected
from unblur.accel.jit import has_compiler
from unblur.accel.threads import can_share

MIN_CHANNELS = 16
"""Smallest number of input and of output channels for Winograd's algorithm, dimensionless."""
MIN_TILES = 200
"""Smallest number of 4 x 4 tiles for Winograd's algorithm; fewer are faster by direct sums."""


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d`, faster in float32 on a CPU, and the same on every run on a GPU.

    On a CPU in float32, 3 x 3 taps between many channels use Winograd's algorithm, with a quarter
    of the multiplications, forwards and backwards, if the extra `fast` (numba) is installed;
    1 x 1 taps on channels-last images are matrix products; all others are torch's, in the memory
    order of the weights, since derivatives are several times slower in the other order.
    Results differ by rounding only. Parameters, weights and shapes are those of
    `torch.nn.Conv2d`; of the padding modes there are "zeros" and, by one pixel, "reflect".

    Examples
    --------
    >>> import torch
    >>> from unblur.accel.convolution import Convolution
    >>> layer = Convolution(64, 64, 3, padding=1)
    >>> layer(torch.zeros(1, 64, 80, 80)).shape
    torch.Size([1, 64, 80, 80])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        return self._convolved(input, rectify=False)

    def rectified(self, input: Tensor) -> Tensor:
        """Convolve (B, C, H, W) and apply a ReLU."""
        if torch.is_grad_enabled():
            return torch.relu_(self(input))
        return self._convolved(input, rectify=True)

    def _convolved(self, x: Tensor, rectify: bool) -> Tensor:
        mirror = self.padding_mode == "reflect" and self.padding == (1, 1)
        plain = _is_plain(x, self.weight)
        if plain and self._takes_winograd(x):
            # numba takes a second to import.
            from unblur.accel.convolution.winograd import Border, convolve

            border = Border(int(self.padding[0]), mirror)
            return convolve(x, self.weight, self.bias, border, rectify)
        if plain and self._is_product(x):
            y = functional.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias)
            y = y.permute(0, 3, 1, 2)
        else:
            if plain and self.weight.is_contiguous():
                x = x.contiguous()
            x, padding = (reflected(x), 0) if mirror else (x, self.padding)
            y = functional.conv2d(
                x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
            )
        return torch.relu_(y) if rectify else y

    def _takes_winograd(self, x: Tensor) -> bool:
        if not fits_winograd(self):
            return False
        padding = 2 * int(self.padding[0]) - 2
        down, across = (-(-(extent + padding) // 4) for extent in x.shape[-2:])
        large = min(down, across) > 0 and x.shape[0] * down * across >= MIN_TILES
        return large and has_compiler() and can_share()

    def _is_product(self, x: Tensor) -> bool:
        return (
            self.kernel_size == self.stride == (1, 1)
            and self.groups == 1
            and self.padding == (0, 0)
            and x.is_contiguous(memory_format=torch.channels_last)
        )


def fits_winograd(layer: nn.Conv2d) -> bool:
    """Return whether kernel size, stride, padding and channels of a layer suit Winograd."""
    paddings = {"zeros": ((0, 0), (1, 1), (2, 2)), "reflect": ((1, 1),)}
    return (
        layer.kernel_size == (3, 3)
        and layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding in paddings.get(layer.padding_mode, ())
        and min(layer.in_channels, layer.out_channels) >= MIN_CHANNELS
    )


def _is_plain(x: Tensor, weight: Tensor) -> bool:
    """Return whether a convolution is computed in float32 on a CPU."""
    return (
        x.dim() == 4
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )
