"""Pixel sizes of kernels in every format that can state them, and files of several samplings."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from unblur.errors import KernelError, OutputError
from unblur.io import read_image, read_kernel, read_kernel_values, write_image, write_kernel
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField

RNG = np.random.default_rng(3)
PSF = RNG.random((7, 9)).astype(np.float32)
VOLUME = RNG.random((3, 7, 9)).astype(np.float32)
STEPS = {"Z": 0.3, "Y": 0.1, "X": 0.2}
FORMATS = ("tif", "ome.tif", "fits", "zarr", "ome.zarr", "npy")


def sized(weights, unit="µm"):
    axes = "ZYX"[-weights.ndim :]
    return Kernel(weights, {a: STEPS[a] for a in axes}, dict.fromkeys(axes, unit))


def assert_steps(sizes, units, axes, unit="µm"):
    assert sizes == pytest.approx({a: STEPS[a] for a in axes})
    assert units == dict.fromkeys(axes, unit)


@pytest.mark.parametrize("unit", ["µm", "arcsec"])
@pytest.mark.parametrize("weights", [PSF, VOLUME], ids=["plane", "volume"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_written_kernel_keeps_its_pixel_size(tmp_path, kind, weights, unit):
    path = write_kernel(sized(weights, unit), tmp_path / f"psf.{kind}")
    found = read_kernel(path)
    axes = "ZYX"[-weights.ndim :]
    assert_steps(found.pixel_size, found.units, axes, unit)
    np.testing.assert_array_equal(found.mean.weights, sized(weights).weights)
    if kind != "npy":  # which holds values alone
        image = read_image(path)
        assert_steps(image.pixel_size, image.units, axes, unit)


@pytest.mark.parametrize("kind", ["tif", "ome.tif", "fits", "zarr", "ome.zarr"])
@pytest.mark.parametrize("weights", [PSF, VOLUME], ids=["plane", "volume"])
def test_a_kernel_that_another_program_wrote_has_its_pixel_size(tmp_path, kind, weights):
    axes = "ZYX"[-weights.ndim :]
    sizes = {a: STEPS[a] for a in axes}
    image = Image(weights, axes, sizes, dict.fromkeys(axes, "µm"))
    write_image(image, tmp_path / f"psf.{kind}")
    found = read_kernel(tmp_path / f"psf.{kind}")
    assert_steps(found.pixel_size, found.units, axes)


def test_imagej_states_the_pixel_size_of_a_kernel(tmp_path):
    metadata = {"axes": "ZYX", "spacing": 0.3, "unit": "um"}
    tifffile.imwrite(
        tmp_path / "psf.tif", VOLUME, imagej=True, resolution=(5, 10), metadata=metadata
    )
    found = read_kernel(tmp_path / "psf.tif")
    assert_steps(found.pixel_size, found.units, "ZYX")


@pytest.mark.parametrize(
    ("sizes", "units"),
    [
        ({"Y": 0.1, "X": 0.2}, "µm"),
        ([0.1, 0.2], "micrometer"),
        ([0.3, 0.1, 0.2], {"Y": "um", "X": "um", "Z": "um"}),
    ],
)
@pytest.mark.parametrize("kind", ["npy", "png", "tif"])
def test_a_json_file_beside_any_format_states_it(tmp_path, kind, sizes, units):
    values = (PSF * 60000).astype(np.uint16)
    write_image(Image(values, "YX"), tmp_path / f"psf.{kind}")
    (tmp_path / "psf.json").write_text(json.dumps({"pixel_size": sizes, "units": units}))
    found = read_kernel(tmp_path / f"psf.{kind}")
    assert_steps(found.pixel_size, found.units, "YX")


def test_npz_states_it_in_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", kernels=VOLUME, pixel_size=[0.3, 0.1, 0.2], units="µm")
    found = read_kernel(tmp_path / "a.npz")
    assert_steps(found.pixel_size, found.units, "ZYX")
    np.savez(tmp_path / "b.npz", kernels=PSF, pixel_size=0.5, units=["nm"])
    found = read_kernel(tmp_path / "b.npz")
    assert dict(found.pixel_size) == {"Y": 0.5, "X": 0.5}
    assert dict(found.units) == {"Y": "nm", "X": "nm"}


@pytest.mark.parametrize("size", [-1, "wide", [1, 2, 3, 4], {"Y": None}])
def test_a_pixel_size_that_is_none_is_refused(tmp_path, size):
    np.save(tmp_path / "psf.npy", PSF)
    (tmp_path / "psf.json").write_text(json.dumps({"pixel_size": size}))
    with pytest.raises(KernelError, match="pixel.size"):
        read_kernel(tmp_path / "psf.npy")


def test_a_field_keeps_its_pixel_size_and_offset(tmp_path):
    row = (sized(PSF), sized(PSF[::-1]))
    field = KernelField((row,), (10.0,), (5.0, 15.0), keeps_offset=True)
    found = read_kernel(write_kernel(field, tmp_path / "psfs.tif"))
    assert_steps(found.pixel_size, found.units, "YX")
    assert found.keeps_offset
    assert found.columns == (5.0, 15.0)


def test_what_an_older_kernel_left_beside_an_npy_is_replaced(tmp_path):
    path = write_kernel(sized(PSF), tmp_path / "psf.npy")
    with pytest.raises(OutputError, match="exists"):
        write_kernel(Kernel(PSF), path)
    write_kernel(Kernel(PSF), path, overwrite=True)
    assert read_kernel(path).pixel_size == {}


# Files of space-telescope PSF tools.


def gaussian(n, sigma):
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    psf = np.exp(-(x**2 + y**2) / 2 / sigma**2)
    return psf / psf.sum()


def stpsf(path, extensions=("OVERSAMP", "DET_SAMP", "OVERDIST", "DET_DIST"), **keys):
    """Write a file as STPSF does: four extensions, at a detector of 0.031 arcsec."""
    hdus = fits.HDUList()
    for name in extensions:
        fine = name.startswith("OVER")
        values = gaussian(84, 4.8) if fine else gaussian(21, 1.2)
        hdu = fits.ImageHDU(values) if hdus else fits.PrimaryHDU(values)
        hdu.header["EXTNAME"] = name
        hdu.header["PIXELSCL"] = 0.031 / 4 if fine else 0.031
        hdu.header["OVERSAMP"] = 4 if fine else 1
        hdu.header["DET_SAMP"] = 4  # of the extension it is rebinned from, too
        for key, value in keys.items():
            hdu.header.remove(key) if value is None else hdu.header.set(key, value)
        hdus.append(hdu)
    hdus.writeto(path)
    return path


def test_the_sampling_of_the_detector_is_first_with_the_others_beside_it(tmp_path):
    found = read_kernel(stpsf(tmp_path / "psf.fits"))
    every = (found, *found.samplings)
    names = [each.source.rpartition("[")[2].rstrip("]") for each in every]
    assert names == ["DET_DIST", "DET_SAMP", "OVERDIST", "OVERSAMP"]
    assert [each.oversampling for each in every] == [1, 1, 4, 4]
    for each, size in zip(every, (0.031, 0.031, 0.00775, 0.00775), strict=True):
        assert each.pixel_size == pytest.approx({"Y": size, "X": size})
        assert each.units == {"Y": "arcsec", "X": "arcsec"}


def test_an_extension_that_is_named_is_taken_alone(tmp_path):
    path = stpsf(tmp_path / "psf.fits")
    found = read_kernel(f"{path}[OVERSAMP]")
    assert found.samplings == ()
    assert found.oversampling == 4
    assert found.mean.shape == (84, 84)


@pytest.mark.parametrize("name", ["OVERSAMP", "DET_SAMP"])
def test_a_file_of_one_sampling(tmp_path, name):
    found = read_kernel(stpsf(tmp_path / "psf.fits", (name,)))
    assert found.samplings == ()
    assert found.oversampling == (4 if name == "OVERSAMP" else 1)


def test_metres_and_missing_sizes_are_understood(tmp_path):
    metres = read_kernel(stpsf(tmp_path / "a.fits", ("DET_SAMP",), PIXUNIT="meter"))
    assert metres.units == {"Y": "m", "X": "m"}
    unknown = read_kernel(stpsf(tmp_path / "b.fits", ("OVERSAMP", "DET_SAMP"), PIXELSCL=None))
    assert unknown.pixel_size == {}
    assert [each.oversampling for each in (unknown, *unknown.samplings)] == [1, 4]


def test_detsamp_alone_states_the_oversampling(tmp_path):
    path = stpsf(tmp_path / "a.fits", ("OVERSAMP",), OVERSAMP=None, DET_SAMP=None, DETSAMP=3)
    assert read_kernel(path).oversampling == 3


def test_a_sampling_is_chosen_by_the_pixel_size_of_the_image(tmp_path):
    found = read_kernel_values(stpsf(tmp_path / "psf.fits"))
    units = {"Y": "mas", "X": "mas"}
    assert found.choose_sampling({"Y": 7.75, "X": 7.75}, units).values.shape == (84, 84)
    assert found.choose_sampling({"Y": 31, "X": 31}, units).values.shape == (21, 21)
    assert found.choose_sampling({}, {}) is found


def test_world_coordinates_come_before_pixelscl(tmp_path):
    world = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1 / 3600, "CDELT2": 1 / 3600}
    fits.PrimaryHDU(PSF, fits.Header({**world, "PIXELSCL": 0.5})).writeto(tmp_path / "a.fits")
    assert read_image(tmp_path / "a.fits").pixel_size == pytest.approx({"Y": 1, "X": 1})


def test_small_negatives_of_a_file_are_noted(tmp_path):
    values = np.where(np.indices(PSF.shape).sum(0) == 0, -1e-4, PSF)
    np.save(tmp_path / "psf.npy", values / values.sum())
    (note,) = read_kernel(tmp_path / "psf.npy").notes
    assert "1 sample is negative" in note


def test_kernels_made_of_another_keep_its_pixel_size():
    kernel = sized(VOLUME)
    made = (
        kernel.flipped(),
        kernel.cropped(0.5),
        kernel.centred(),
        KernelField.single(kernel).mean,
    )
    assert all(each.pixel_size == STEPS for each in made)
    assert replace(kernel, units={"Z": "um"}).units == {"Z": "µm"}
