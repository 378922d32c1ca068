from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from unblur.errors import ParamsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.colour import split_luma
from unblur.numerics.metrics import psnr
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    crop_valid,
    disk_kernel,
    gaussian_kernel,
    gaussian_process_kernel,
)
from unblur.testing import check_stage, laws_of
from unblur_classic.nonblind.wiener import Wiener
from unblur_classic.postprocess import dct_blocks
from unblur_classic.postprocess.clip import Clip
from unblur_classic.postprocess.dct_blocks import BlockDct
from unblur_classic.postprocess.denoise import Denoise, deconvolved_noise
from unblur_classic.postprocess.dering import Dering, bilateral
from unblur_classic.postprocess.match_range import MatchRange

CONTEXT = Context()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@cache
def photo(folder, name="kodim07"):
    grey = np.asarray(Image.open(folder / "data" / "kodak" / f"{name}.png").convert("L"))
    return torch.tensor(grey[:200, :300] / np.float32(255))[None]


def boxes(shape=(1, 120, 120), smooth=0.5):
    """Sharp-edged boxes with a little texture."""
    draw = np.random.default_rng(0)
    x = np.full(shape[1:], 0.3)
    for _ in range(12):
        corner = [int(draw.integers(0, n - 10)) for n in shape[1:]]
        extent = [int(draw.integers(8, 40)) for _ in corner]
        x[tuple(slice(c, c + e) for c, e in zip(corner, extent, strict=True))] = draw.random()
    return torch.tensor(gaussian_filter(x, smooth)[None], dtype=torch.float32)


@pytest.mark.parametrize(
    ("stage", "params", "exempt"),
    [
        (Clip, {}, {}),
        (Dering, {}, {}),
        (Denoise, {}, {}),
        (MatchRange, {}, {"tile-equals-whole": "its gain belongs to the whole image"}),
    ],
)
def test_laws_hold(stage, params, exempt):
    held = check_stage(stage, params, exempt=exempt)
    assert len(held) + len(exempt) >= len(laws_of(stage)) - 1  # no GPU here


class TestClip:
    def test_black_and_white_by_default_and_nan_stays(self):
        x = torch.tensor([[[-1.0, 0.5, 2.0, torch.nan]]])
        clipped = Clip().process(x, x, None, CONTEXT)
        assert torch.equal(clipped[..., :3], torch.tensor([[[0.0, 0.5, 1.0]]]))
        assert bool(clipped[..., 3].isnan())

    def test_floats_have_no_limit_above_and_keep_their_light(self):
        context = CONTEXT.with_(value_range=(0.0, torch.inf))
        x = torch.tensor([[[0.0, -1.0, 4.0, -1.0, 0.0]]])
        kernel = Kernel(torch.ones(3, 3))
        assert Clip().process(x, x, kernel, context).flatten().tolist() == [0, 0, 2, 0, 0]
        assert Clip(low=0, high=3).process(x, x, kernel, context).flatten()[2] == 3
        assert Clip().halo(kernel) == (0, 0)
        assert Clip().calibrate(x, x, kernel, context).halo(kernel) == (2, 2)

    def test_range_of_the_input_per_channel(self):
        blurred = torch.stack([torch.full((2, 2), 0.2), torch.full((2, 2), 0.5)])
        blurred[:, 0, 0] += 0.1
        x = torch.tensor([-1.0, 0.25, 0.55, 2.0]).reshape(1, 2, 2).repeat(2, 1, 1)
        clipped = Clip(low="input", high="input").process(x, blurred, None, CONTEXT)
        assert clipped.flatten(1).tolist() == [
            pytest.approx([0.2, 0.25, 0.3, 0.3]),
            pytest.approx([0.5, 0.5, 0.55, 0.6]),
        ]

    def test_tiles_of_a_calibrated_stage_share_the_range_of_the_whole(self):
        blurred = torch.rand(2, 20, 20, generator=seeded())
        x = 3 * blurred - 1
        stage = Clip(low="input", high="input")
        calibrated = stage.calibrate(x, blurred, None, CONTEXT)
        whole = stage.process(x, blurred, None, CONTEXT)
        tile = pickle.loads(pickle.dumps(calibrated))
        part = (slice(None), slice(3, 9), slice(4, 12))
        assert torch.equal(tile.process(x[part], blurred[part], None, CONTEXT), whole[part])
        assert stage.extremes is None

    def test_bounds_are_ordered(self):
        with pytest.raises(ParamsError, match="low must be below high"):
            Clip(low=1, high=0)


class TestMatchRange:
    @pytest.mark.parametrize("match", ["flux", "mean", "percentiles"])
    def test_the_matched_statistic_is_equal(self, match):
        blurred = torch.rand(2, 40, 40, generator=seeded())
        x = 0.3 * torch.rand(2, 40, 40, generator=seeded(1)) + 0.4
        matched = MatchRange(match=match).process(x, blurred, None, CONTEXT)
        for got, wanted in zip(matched.numpy(), blurred.numpy(), strict=True):
            if match == "percentiles":
                expected = np.percentile(wanted, [1, 99])
                assert np.percentile(got, [1, 99]) == pytest.approx(expected, abs=1e-5)
            else:
                assert got.mean() == pytest.approx(wanted.mean(), abs=1e-6)

    def test_contrast_is_kept_by_mean_and_ratios_by_flux(self):
        blurred = torch.rand(1, 9, 9, generator=seeded())
        x = torch.rand(1, 9, 9, generator=seeded(1))
        mean = MatchRange(match="mean").process(x, blurred, None, CONTEXT)
        assert float(mean.std()) == pytest.approx(float(x.std()), rel=1e-5)
        flux = MatchRange(match="flux").process(x, blurred, None, CONTEXT)
        assert float(flux.max() / flux.min()) == pytest.approx(float(x.max() / x.min()), rel=1e-4)

    def test_tiles_of_a_calibrated_stage_share_gain_and_offset(self):
        blurred = torch.rand(3, 20, 20, generator=seeded())
        x = 2 * torch.rand(3, 20, 20, generator=seeded(1))
        stage = MatchRange(match="percentiles")
        calibrated = pickle.loads(pickle.dumps(stage.calibrate(x, blurred, None, CONTEXT)))
        part = (slice(None), slice(3, 9), slice(4, 12))
        tile = calibrated.process(x[part], blurred[part], None, CONTEXT)
        assert torch.allclose(tile, stage.process(x, blurred, None, CONTEXT)[part], atol=1e-6)

    def test_an_image_of_zeros_is_unchanged(self):
        dark = torch.zeros(1, 4, 4)
        for match in ("flux", "percentiles"):
            assert torch.equal(MatchRange(match=match).process(dark, dark, None, CONTEXT), dark)

    def test_percentiles_are_ordered(self):
        with pytest.raises(ParamsError, match="low must be below high"):
            MatchRange(low=60, high=40)


class TestBlockDct:
    @pytest.mark.parametrize("ndim", [2, 3])
    def test_basis_is_orthonormal_and_filtering_by_one_changes_nothing(self, ndim):
        blocks = BlockDct(ndim)
        assert torch.allclose(blocks.basis @ blocks.basis.T, torch.eye(64), atol=1e-5)
        x = torch.rand(2, *(13,) * ndim, generator=seeded())
        same = blocks.filtered(x, x, lambda c, _: (c, torch.ones_like(c[:, :1])))
        assert torch.allclose(same, x, atol=1e-5)

    @pytest.mark.parametrize("per_tile", [2**14, 2 * 50])
    def test_filtering_equals_that_of_each_block_by_scipy(self, per_tile, monkeypatch):
        monkeypatch.setattr(dct_blocks, "BLOCKS_PER_TILE", per_tile)
        x, guide = torch.rand(2, 2, 11, 14, generator=seeded())
        blocks = BlockDct(2)
        assert blocks.coefficients(x, 3).shape == (2, 64, 2, 3)

        def shrink(c, guiding):
            return c * guiding, 0.1 + guiding[:, :1] ** 2

        padded, guiding = (np.pad(a, ((0, 0), (7, 7), (7, 7)), mode="reflect") for a in (x, guide))
        total, norm = np.zeros((2, *padded.shape))
        for channel, i, j in np.ndindex(2, 11 + 7, 14 + 7):
            block = channel, slice(i, i + 8), slice(j, j + 8)
            gain = dctn(guiding[block], norm="ortho")
            weight = 0.1 + gain[0, 0] ** 2
            total[block] += weight * idctn(dctn(padded[block], norm="ortho") * gain, norm="ortho")
            norm[block] += weight
        expected = (total / norm)[:, 7:-7, 7:-7]
        assert blocks.filtered(x, guide, shrink).numpy() == pytest.approx(expected, abs=1e-4)

    def test_noise_through_a_filter_has_the_predicted_energy(self):
        kernel = gaussian_kernel(0.7)
        predicted = deconvolved_noise(kernel, torch.zeros(1, dtype=torch.float64))
        from unblur.numerics.fourier import fft, inverse_fft, psf_to_otf

        noise = torch.randn(1, 512, 512, generator=seeded(), dtype=torch.float64)
        otf = psf_to_otf(kernel.tensor(dtype=torch.float64), (512, 512))
        filtered = inverse_fft(fft(noise, 2) / otf.abs().clamp_min(1e-3**0.5), (512, 512))
        measured = BlockDct(2).coefficients(filtered.float(), 5)[0].flatten(1).std(1)
        assert measured.double() / predicted == pytest.approx(np.ones(64), abs=0.05)


class TestDenoise:
    def test_of_a_colour_image_the_chroma_alone_is_denoised(self):
        scene = boxes((1, 64, 72), smooth=1.5)
        clean = torch.cat([scene, 0.8 * scene, 0.3 + 0.4 * scene])
        noisy = add_gaussian_noise(clean, 0.02, seeded())
        kernel = gaussian_kernel((5, 5), 1.0)
        stage = Denoise(channels="chroma")
        (luma, chroma), (same, made) = (
            split_luma(x) for x in (noisy, stage.process(noisy, 0.9 * noisy, kernel, CONTEXT))
        )
        truth = split_luma(clean)[1]
        assert torch.allclose(luma, same, atol=1e-6)
        assert float((made - truth).std()) < 0.4 * float((chroma - truth).std())
        calibrated = stage.calibrate(noisy, 0.9 * noisy, kernel, CONTEXT)
        again = calibrated.process(noisy, 0.9 * noisy, kernel, CONTEXT)
        assert torch.allclose(split_luma(again)[1], made, atol=1e-6)

    def test_grey_and_other_channels_have_no_chroma(self):
        stage = Denoise(channels="chroma")
        for channels in (1, 2, 4):
            x = torch.rand(channels, 20, 24, generator=seeded())
            calibrated = stage.calibrate(x, x, None, CONTEXT)
            assert torch.equal(calibrated.process(x, x, None, CONTEXT), x)

    @pytest.mark.parametrize(("level", "gain"), [(0.01, 3), (0.05, 8)])
    def test_white_noise_is_reduced(self, shared, level, gain):
        sharp = photo(shared)
        noisy = add_gaussian_noise(sharp, level, seeded())
        before = psnr(noisy, sharp)
        assert psnr(Denoise().process(noisy, noisy, None, CONTEXT), sharp) > before + gain
        known = Denoise(noise=level).process(noisy, noisy, None, CONTEXT)
        assert psnr(known, sharp) > before + gain

    def test_it_beats_non_local_means(self, shared):
        from skimage.restoration import denoise_nl_means

        sharp = photo(shared)[:, :128, :128]
        noisy = add_gaussian_noise(sharp, 0.05, seeded())
        peer = denoise_nl_means(
            noisy[0].numpy(), sigma=0.05, h=0.04, patch_size=5, patch_distance=6
        )
        ours = Denoise().process(noisy, noisy, None, Context(noise=0.05))
        assert psnr(ours, sharp) > psnr(peer[None], sharp) + 0.5

    def test_coloured_noise_of_a_deconvolution_is_reduced(self, shared):
        kernel = disk_kernel(4)
        sharp = photo(shared)
        blurred = add_gaussian_noise(blur_image(sharp, kernel), 0.005, seeded())
        over = Wiener(weight=2e-4).deconvolve(blurred, kernel, CONTEXT)
        truth = crop_valid(sharp, kernel)
        cleaned = Denoise().process(over, blurred, kernel, CONTEXT)
        assert psnr(cleaned, truth) > psnr(over, truth) + 6

    def test_texture_without_noise_is_kept(self, shared):
        sharp = photo(shared, "kodim13")
        kernel = disk_kernel(4)
        blurred = add_gaussian_noise(blur_image(sharp, kernel), 0.005, seeded())
        truth = crop_valid(sharp, kernel)
        assert psnr(Denoise().process(truth, blurred, kernel, CONTEXT), truth) > 35

    def test_stack(self):
        sharp = torch.tensor(gaussian_filter(np.random.default_rng(0).random((24, 40, 40)), 3))
        sharp = (sharp / sharp.max()).float()[None]
        noisy = add_gaussian_noise(sharp, 0.05, seeded())
        assert psnr(Denoise().process(noisy, noisy, None, CONTEXT), sharp) > psnr(noisy, sharp) + 8

    def test_zero_strength_and_constant_images_change_nothing(self):
        x = torch.rand(1, 20, 20, generator=seeded())
        assert torch.equal(Denoise(strength=0).process(x, x, None, CONTEXT), x)
        flat = torch.full((1, 5, 5), 0.3)
        assert torch.allclose(Denoise().process(flat, flat, None, CONTEXT), flat)

    def test_tiles_of_a_calibrated_stage_equal_the_whole_after_a_deconvolution(self, shared):
        kernel = gaussian_kernel(1.5)
        blurred = add_gaussian_noise(blur_image(photo(shared), kernel), 0.01, seeded())
        over = Wiener(weight=1e-3).deconvolve(blurred, kernel, CONTEXT)
        stage = pickle.loads(pickle.dumps(Denoise().calibrate(over, blurred, kernel, CONTEXT)))
        whole = Denoise().process(over, blurred, kernel, CONTEXT)
        (halo, _), edge = stage.halo(kernel), 50
        part = (slice(None), slice(60 - halo, 60 + edge + halo), slice(70 - halo, 70 + edge + halo))
        tile = stage.process(over[part], blurred[part], kernel, CONTEXT)
        inner = tile[:, halo:-halo, halo:-halo]
        assert torch.allclose(inner, whole[:, 60 : 60 + edge, 70 : 70 + edge], atol=1e-3)


class TestDering:
    def test_bilateral_equals_brute_force(self):
        x = torch.rand(1, 9, 11, generator=seeded())
        smooth = bilateral(x, torch.tensor([[[0.2]]]), CONTEXT)[0]
        padded = np.pad(x[0].numpy(), 4, mode="reflect")
        for i, j in ((0, 0), (4, 5), (8, 3)):
            total = norm = 0.0
            for di in range(-4, 5):
                for dj in range(-4, 5):
                    if di * di + dj * dj <= 16:
                        value = padded[i + 4 + di, j + 4 + dj]
                        weight = np.exp(
                            -(di * di + dj * dj) / 8 - (value - float(x[0, i, j])) ** 2 / 0.08
                        )
                        total, norm = total + weight * value, norm + weight
            assert float(smooth[i, j]) == pytest.approx(total / norm, abs=1e-5)

    @pytest.mark.parametrize(
        "kernel", [disk_kernel(3), gaussian_kernel(1.7), gaussian_process_kernel(15, seeded(3))]
    )
    def test_the_error_of_an_over_sharpened_image_falls(self, kernel):
        sharp = boxes()
        blurred = add_gaussian_noise(blur_image(sharp, kernel), 0.003, seeded())
        truth = crop_valid(sharp, kernel)
        over = Wiener(weight=3e-4).deconvolve(blurred, kernel, CONTEXT)
        better = Dering().process(over, blurred, kernel, CONTEXT)
        assert float(((better - truth) ** 2).sum()) < 0.75 * float(((over - truth) ** 2).sum())
        blind = Dering().process(over, blurred, None, CONTEXT)
        assert psnr(blind, truth) > psnr(over, truth)

    @pytest.mark.parametrize("name", ["kodim07", "kodim13"])
    def test_a_clean_image_changes_little(self, shared, name):
        sharp = photo(shared, name)
        for kernel in (disk_kernel(4), gaussian_kernel(1.7)):
            blurred, truth = blur_image(sharp, kernel), crop_valid(sharp, kernel)
            assert psnr(Dering().process(truth, blurred, kernel, CONTEXT), truth) > 35
            assert psnr(Dering().process(truth, blurred, None, CONTEXT), truth) > 45

    def test_only_waves_that_the_kernel_removes_are_smoothed(self):
        """Weak waves that the kernel transmits are kept, those that it removes are not."""
        kernel = Kernel(np.ones((1, 4)))
        column = torch.arange(128.0)
        transmitted = 0.02 * torch.cos(2 * torch.pi * column / 32).expand(1, 64, 128)
        removed = 0.02 * torch.cos(2 * torch.pi * column / 4).expand(1, 64, 128)
        step = (torch.arange(64) > 32).float()[:, None].expand(1, 64, 128)
        result = Dering().process(step + transmitted + removed, step, kernel, CONTEXT) - step
        inner = (0, slice(5, 20), slice(32, 96))
        assert float(result[inner].std()) == pytest.approx(float(transmitted[inner].std()), rel=0.1)
        left = result[inner] - transmitted[inner]
        assert float(left.std()) < 0.3 * float(removed[inner].std())
