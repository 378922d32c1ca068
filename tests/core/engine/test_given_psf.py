"""A given PSF beside its image: pixel sizes and samplings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from psf_runs_for_tests import run, sized, star_image

from unblur.engine import deblur, deblur_batch, plan
from unblur.engine.running.batch import Item
from unblur.errors import KernelError
from unblur.io import read_kernel, write_kernel
from unblur.model.kernel import KernelField
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.psf.image_fit import fit_psf
from unblur.numerics.synthesis import gaussian_kernel
from unblur.pipeline import Pipeline

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def stages():
    """Leave the installed stages in place."""


# Pixel size.


def test_sizes_in_other_units_are_the_same():
    plain = run(star_image(), gaussian_kernel(1.5))
    same = run(star_image(), sized(gaussian_kernel(1.5), 100, "nm"))
    np.testing.assert_array_equal(plain.image.data, same.image.data)
    assert same.report.warnings == ()


def test_another_pixel_size_is_an_error_with_both_sizes_and_the_remedy():
    with pytest.raises(KernelError) as error:
        run(star_image(), sized(gaussian_kernel(1.5), 50, "nm"))
    for part in ("50 nm", "0.1 µm", "0.5 along Y", "--psf-resample", "psf_resample=True"):
        assert part in str(error.value)
    with pytest.raises(KernelError, match="--psf-resample"):
        plan(star_image(), "wiener", sized(gaussian_kernel(1.5), 50, "nm"))


def test_another_step_in_depth_alone_is_an_error():
    image = star_image((12, 40, 44))
    kernel = replace(sized(gaussian_kernel((1, 1.5, 1.5)), 0.1), pixel_size={"Z": 0.3, "Y": 0.1})
    with pytest.raises(KernelError, match="3 along Z"):
        deblur(image, "richardson-lucy", kernel, device="cpu")


def test_it_is_resampled_when_asked():
    fine = sized(gaussian_kernel(6.0, size=49), 25, "nm")
    found = run(star_image(), fine, psf_resample=True)
    assert kernel_similarity(found.kernel.mean, gaussian_kernel(1.5)) > 0.999
    assert found.kernel.pixel_size == {"Y": 0.1, "X": 0.1}
    (warning,) = found.report.warnings
    assert "resampled" in warning
    assert "25 nm" in warning
    assert "0.1 µm" in warning
    planned = plan(star_image(), "wiener", fine, psf_resample=True, device="cpu")
    assert any("resampled" in remark for remark in planned.remarks)


def test_sizes_that_nearly_agree_are_a_warning():
    (warning,) = run(star_image(), sized(gaussian_kernel(1.5), 0.103)).report.warnings
    assert "0.103 µm" in warning


def test_absurd_ratios_are_refused_though_resampling_is_asked_for():
    with pytest.raises(KernelError, match="check both pixel sizes and their units"):
        run(star_image(), sized(gaussian_kernel(1.5), 100, "µm"), psf_resample=True)


def test_units_of_two_kinds_are_a_warning():
    (warning,) = run(star_image(), sized(gaussian_kernel(1.5), 0.1, "arcsec")).report.warnings
    assert "cannot be converted" in warning


@pytest.mark.parametrize("size", [None, 0.1])
def test_nothing_is_said_where_one_side_states_no_size(size):
    kernel = gaussian_kernel(1.5) if size else sized(gaussian_kernel(1.5), 0.1)
    assert run(star_image(size=size), kernel).report.warnings == ()


def test_a_2d_psf_is_compared_in_the_plane_alone():
    image = star_image((6, 40, 44))
    image = replace(image, pixel_size={"Z": 5.0, "Y": 0.1, "X": 0.1})
    assert run(image, sized(gaussian_kernel(1.5), 0.1)).report.warnings == ()


def test_an_image_can_be_the_psf():
    psf = star_image(size=0.05)
    psf = psf.with_data(gaussian_kernel(1.5, size=9).weights)
    with pytest.raises(KernelError, match=r"0\.05 µm"):
        run(star_image(), psf)


def test_the_kernel_of_a_pipeline_file_is_compared(tmp_path):
    write_kernel(sized(gaussian_kernel(1.5), 0.05), tmp_path / "psf.tif")
    given = {"kernel": "given", "params": {"path": str(tmp_path / "psf.tif")}}
    steps = [given, {"deconvolve": "wiener"}]
    pipeline = Pipeline.model_validate({"summary": "Given.", "steps": steps})
    with pytest.raises(KernelError, match="--psf-resample"):
        deblur(star_image(), pipeline, device="cpu")
    result = deblur(star_image(), pipeline, device="cpu", psf_resample=True)
    assert result.report.kernel.origin == "given"


def test_the_kernel_of_a_result_has_the_pixel_size_of_its_image(tmp_path):
    found = run(star_image(), gaussian_kernel(1.5)).kernel
    assert found.pixel_size == {"Y": 0.1, "X": 0.1}
    write_kernel(found, tmp_path / "psf.tif")
    with pytest.raises(KernelError, match="another pixel size"):
        run(star_image(size=0.2), read_kernel(tmp_path / "psf.tif"))


def test_images_of_a_frozen_batch_have_one_pixel_size():
    images = [star_image(), star_image(), star_image(size=0.3)]
    items = [Item(str(n), lambda i=i: i, lambda result: None) for n, i in enumerate(images)]
    steps = [{"kernel": "points"}, {"deconvolve": "wiener"}]
    pipeline = Pipeline.model_validate({"summary": "Points.", "steps": steps})
    blind = deblur_batch(items, pipeline, frozen=True, device="cpu", **{"points.min_count": 1})
    known = deblur_batch(items, "wiener", sized(gaussian_kernel(1.5), 0.1), device="cpu")
    assert list(known.failed) == ["2"]
    assert "--psf-resample" in known.failed["2"]
    assert list(blind.failed) == ["2"]
    assert "each pixel size apart" in blind.failed["2"]


# Several samplings.


def samplings(detector=0.4):
    fine = KernelField.single(
        sized(gaussian_kernel(6.0, size=49), detector / 4, "arcsec"),
        source="psf.fits[OVERSAMP]",
        oversampling=4.0,
    )
    coarse = sized(gaussian_kernel(1.5, size=13), detector, "arcsec")
    return KernelField.single(coarse, source="psf.fits[DET_SAMP]", samplings=(fine,))


@pytest.mark.parametrize(("size", "shape"), [(0.4, (13, 13)), (0.1, (49, 49))])
def test_the_sampling_of_the_image_is_taken(size, shape):
    fitted, warnings = fit_psf(samplings(), star_image(size=size, unit="arcsec"))
    assert fitted.kernels[0][0].shape == shape
    assert warnings == ()
    assert fitted.samplings == ()


def test_without_a_pixel_size_the_detectors_sampling_is_taken_with_a_note():
    fitted, (warning,) = fit_psf(samplings(), star_image(size=None))
    assert fitted.kernels[0][0].shape == (13, 13)
    assert "psf.fits[DET_SAMP]" in warning
    assert "does not state its pixel size" in warning


def test_another_pixel_size_is_resampled_from_the_finest_sampling():
    image = star_image((120, 120), size=0.2, unit="arcsec")
    with pytest.raises(KernelError, match=r"0\.4 arcsec.*0\.2 arcsec"):
        fit_psf(samplings(), image)
    fitted, (warning,) = fit_psf(samplings(), image, is_resampled=True)
    assert "psf.fits[OVERSAMP]" in warning
    assert kernel_similarity(fitted.mean, gaussian_kernel(3.0)) > 0.999


def test_an_oversampled_psf_alone_is_a_warning_or_resampled():
    fine = replace(samplings().samplings[0], samplings=())
    fitted, (warning,) = fit_psf(fine, star_image(size=None))
    assert "4 samples per pixel of the detector" in warning
    assert fitted.kernels[0][0].shape == (49, 49)
    fitted, (warning,) = fit_psf(fine, star_image(size=None), is_resampled=True)
    assert kernel_similarity(fitted.mean, gaussian_kernel(1.5)) > 0.999
