"""Tiles of svmap solved with the trace of the whole image."""

import torch

from unblur.model.context import Context
from unblur.testing import lopsided, synthetic_scene
from unblur_svmap.stage import Svmap

NOISE = Context(noise=0.01, contrast=0.1)


def stage():
    return Svmap(noise=0.01, data_term="l2", regulariser="hyper-laplacian")


def test_two_tiles_meet_without_a_step_though_their_content_differs():
    kernel = lopsided((5, 6))
    halo = max(stage().halo(kernel))
    size = 2 * halo + 64
    given = synthetic_scene((size, 2 * size), kernel, noise=0.01)
    blurred = given.blurred.clone()
    blurred[..., size:] = 0.5 + 0.1 * (blurred[..., size:] - 0.5)  # the right half has low contrast
    middle = size - 8
    tiles = blurred[..., : middle + halo], blurred[..., middle - halo :]

    def seam(method):
        left, right = (method.deconvolve(tile.contiguous(), kernel, NOISE) for tile in tiles)
        strip = 4
        a = left[..., middle - strip : middle + strip]
        b = right[..., halo - strip : halo + strip]
        inner = (..., slice(halo, -halo), slice(None))
        return float((a - b)[inner].abs().max())

    calibrated = stage().calibrate(blurred, kernel, NOISE)
    assert seam(calibrated) < 2e-5
    assert seam(stage()) > 5 * seam(calibrated)


def test_another_kernel_is_not_bound_by_what_was_calibrated():
    given = synthetic_scene((96, 96), lopsided((5, 6)), noise=0.01)
    calibrated = stage().calibrate(given.blurred, given.kernel, NOISE)
    other = lopsided((7, 4))
    free = stage().deconvolve(given.blurred, other, NOISE)
    torch.testing.assert_close(calibrated.deconvolve(given.blurred, other, NOISE), free)
