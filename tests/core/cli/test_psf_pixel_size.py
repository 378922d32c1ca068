"""The command with a PSF of another pixel size, off centre, coloured or at several samplings."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from scipy.ndimage import gaussian_filter, shift

from unblur.io import read_image, read_kernel, write_image
from unblur.model.image import Image
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import gaussian_kernel


def stars(shape=(60, 72)):
    sky = np.zeros(shape)
    sky[..., 20, 30] = sky[..., 40, 50] = 3000
    return (gaussian_filter(sky, 1.5) + 100).astype(np.float32)


def save(path, values, size, unit):
    axes = "ZYX"[-values.ndim :]
    sizes, units = (dict.fromkeys(axes, v) for v in (size, unit)) if size else ({}, {})
    return write_image(Image(values, axes, sizes, units, white=1.0), path)


@pytest.fixture
def pictures(tmp_path):
    """Return a folder with an image of 0.1 µm pixels and its PSF at several pixel sizes."""
    save(tmp_path / "image.ome.tif", stars(), 0.1, "µm")
    save(tmp_path / "same.ome.tif", gaussian_kernel(1.5, size=13).weights, 100, "nm")
    fine = gaussian_kernel(3.0, size=25).weights
    for kind in ("ome.tif", "tif", "fits", "zarr", "ome.zarr"):
        save(tmp_path / f"fine.{kind}", fine, 50, "nm")
    np.savez(tmp_path / "fine.npz", kernels=fine, pixel_size=50, units="nm")
    np.save(tmp_path / "beside.npy", fine)
    (tmp_path / "beside.json").write_text('{"pixel_size": {"Y": 50, "X": 50}, "units": "nm"}')
    return tmp_path


def test_run_takes_a_psf_in_other_units(unblur, pictures):
    said = unblur("run", "wiener", pictures / "image.ome.tif", "--psf", pictures / "same.ome.tif",
                  "-o", pictures / "out.ome.tif")  # fmt: skip
    assert "pixel size" not in said.err


@pytest.mark.parametrize(
    "name",
    ["fine.ome.tif", "fine.tif", "fine.fits", "fine.zarr", "fine.ome.zarr", "fine.npz",
     "beside.npy"],
)  # fmt: skip
def test_every_format_of_a_psf_is_compared_and_resampled(unblur, pictures, name):
    arguments = ("wiener", pictures / "image.ome.tif", "--psf", pictures / name)
    output = ("-o", pictures / "out.ome.tif")
    said = unblur("run", *arguments, *output, status=1).err
    assert "50 nm" in said or "0.05 µm" in said  # TIFF tags are in cm
    assert "0.1 µm" in said
    assert "--psf-resample" in said
    assert not (pictures / "out.ome.tif").exists()
    assert "--psf-resample" in unblur("plan", *arguments, status=1).err
    said = unblur("run", *arguments, *output, "--psf-resample").err
    assert sum("resampled to the image's pixels" in line for line in said.splitlines()) == 1
    used = read_kernel(pictures / "out.psf.tif")
    assert kernel_similarity(used.mean, gaussian_kernel(1.5)) > 0.999
    assert dict(used.pixel_size) == pytest.approx({"Y": 0.1, "X": 0.1})
    report = json.loads((pictures / "out.json").read_text())
    assert any("resampled" in warning for warning in report["warnings"])
    assert "resampled" in unblur("plan", *arguments, "--psf-resample").out


def test_the_sampling_of_a_space_telescope_is_chosen(unblur, pictures):
    hdus = fits.HDUList([fits.PrimaryHDU(gaussian_kernel(6.0, size=49).weights)])
    hdus.append(fits.ImageHDU(gaussian_kernel(1.5, size=13).weights, name="DET_SAMP"))
    for hdu, size, times in zip(hdus, (0.1, 0.4), (4, 1), strict=True):
        hdu.header["PIXELSCL"], hdu.header["OVERSAMP"] = size, times
    hdus[0].header["EXTNAME"] = "OVERSAMP"
    hdus.writeto(pictures / "psf.fits")
    save(pictures / "sky.fits", stars(), 0.4, "arcsec")
    save(pictures / "bare.fits", stars(), None, None)
    for name, note in (("sky", False), ("bare", True)):
        out = pictures / f"{name}-out.fits"
        said = unblur("run", "wiener", pictures / f"{name}.fits", "--psf", pictures / "psf.fits",
                      "-o", out)  # fmt: skip
        assert read_kernel(pictures / f"{name}-out.psf.tif").mean.shape == (13, 13)
        assert ("does not state its pixel size" in said.err) == note
    fine = f"{pictures / 'psf.fits'}[OVERSAMP]"
    said = unblur("run", "wiener", pictures / "sky.fits", "--psf", fine,
                  "-o", pictures / "no.fits", status=1)  # fmt: skip
    assert "0.25" in said.err
    table = unblur("psf", "check", pictures / "psf.fits", "--image", pictures / "sky.fits").out
    line = next(line for line in table.splitlines() if "pixel size" in line)
    assert "[DET_SAMP]" in line
    assert "0.25 of the image's pixel size" in line


@pytest.mark.parametrize("scale", ["1000", "0.001"])
def test_check_refuses_to_repair_absurd_ratios(unblur, pictures, scale):
    psf = gaussian_kernel(1.5, size=9).weights
    save(pictures / "odd.ome.tif", psf, 0.1 * float(scale), "µm")
    said = unblur("psf", "check", pictures / "odd.ome.tif", "--image", pictures / "image.ome.tif",
                  "--repair", pictures / "fixed.tif", status=1)  # fmt: skip
    assert "check both pixel sizes and their units" in said.err
    assert not (pictures / "fixed.tif").exists()


def test_check_repairs_to_the_pixels_of_the_image_and_says_so_in_the_file(unblur, pictures):
    unblur("psf", "check", pictures / "fine.ome.tif", "--image", pictures / "image.ome.tif",
           "--repair", pictures / "fixed.tif", status=None)  # fmt: skip
    assert read_kernel(pictures / "fixed.tif").pixel_size == pytest.approx({"Y": 0.1, "X": 0.1})
    unblur("run", "wiener", pictures / "image.ome.tif", "--psf", pictures / "fixed.tif",
           "-o", pictures / "out.tif")  # fmt: skip


def test_check_names_a_coloured_psf(unblur, tmp_path):
    rgb = np.stack([gaussian_kernel(s, size=11).weights * 9000 for s in (1.4, 1.5, 1.6)], -1)
    tifffile.imwrite(tmp_path / "psf.tif", rgb.astype(np.uint16), photometric="rgb")
    assert "red, green, blue" in unblur("psf", "check", tmp_path / "psf.tif").out


@pytest.mark.parametrize("kind", ["tif", "ome.tif", "fits", "zarr", "ome.zarr", "npy"])
def test_make_writes_the_pixel_size_that_it_was_given(unblur, tmp_path, kind):
    path = tmp_path / f"psf.{kind}"
    unblur("psf", "make", "widefield", "pixel=0.08", "step=0.25", "size=9", "depth=5", "-o", path)
    for found in [read_kernel(path)] + ([] if kind == "npy" else [read_image(path)]):
        assert dict(found.pixel_size) == pytest.approx({"Z": 0.25, "Y": 0.08, "X": 0.08})
        assert dict(found.units) == dict.fromkeys("ZYX", "µm")


@pytest.mark.parametrize("kind", ["tif", "fits", "npy", "zarr"])
def test_run_warns_of_a_shifted_psf_and_undoes_the_shift(unblur, pictures, kind):
    psf = np.pad(gaussian_kernel(1.5, size=13).weights, 6)
    image = Image(shift(psf, (4, -3), order=0), "YX", white=1.0)
    write_image(image, pictures / f"off.{kind}")
    outputs = []
    for name in ("same.ome.tif", f"off.{kind}"):
        said = unblur("run", "wiener", pictures / "image.ome.tif", "--psf", pictures / name,
                      "-o", pictures / "out.tif", "--overwrite")  # fmt: skip
        outputs.append(read_image(pictures / "out.tif").data)
    (line,) = [line for line in said.err.splitlines() if "centre of mass" in line]
    assert "(+4.0, -3.0) pixels" in line
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-3)


def test_run_warns_of_sum_and_sign(unblur, pictures):
    psf = gaussian_kernel(1.5, size=13).weights.astype(np.float64) * 30
    psf[0, 0] = -5e-4 * psf.max()
    np.save(pictures / "odd.npy", psf)
    said = unblur("run", "wiener", pictures / "image.ome.tif", "--psf", pictures / "odd.npy",
                  "-o", pictures / "out.tif").err  # fmt: skip
    assert "sum to 30" in said
    assert "1 sample is negative" in said
    warnings = json.loads((pictures / "out.json").read_text())["warnings"]
    assert len(warnings) == 2


def test_blur_refuses_another_pixel_size(unblur, pictures):
    said = unblur("blur", pictures / "image.ome.tif", "--psf", pictures / "fine.tif",
                  "-o", pictures / "b.tif", status=1)  # fmt: skip
    assert "0.05 µm" in said.err
    assert "psf check" in said.err
