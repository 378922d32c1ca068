"""Kernels from files of every kind, and fields of them."""

import json

import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr
from astropy.io import fits

from unblur.errors import ImageError, KernelError, OutputError
from unblur.io import read_kernel, read_kernel_values, write_kernel
from unblur.model.kernel import Kernel, KernelField

RNG = np.random.default_rng(23)
PSF = RNG.random((7, 9)).astype(np.float32)
VOLUME = RNG.random((3, 7, 9)).astype(np.float32)


def normal(weights):
    return weights / weights.sum(dtype=np.float64)


def field(shape=(5, 6), rows=(10.0, 50.0), columns=(5.0, 25.5, 90.0)):
    kernels = tuple(tuple(Kernel(RNG.random(shape)) for _ in columns) for _ in rows)
    return KernelField(kernels, rows, columns)


def assert_field(found, expected):
    assert (found.rows, found.columns) == (expected.rows, expected.columns)
    for one, two in zip(found.kernels, expected.kernels, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a.weights, b.weights, rtol=1e-6)


@pytest.mark.parametrize("psf", [PSF, VOLUME, VOLUME[:1]], ids=["flat", "deep", "one-plane"])
@pytest.mark.parametrize("kind", ["tif", "npy", "npz", "fits", "zarr", "ome.zarr"])
def test_one_kernel_from_any_format(tmp_path, kind, psf):
    path = tmp_path / f"psf.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, psf, photometric="minisblack")
    elif kind == "npy":
        np.save(path, psf)
    elif kind == "npz":
        np.savez(path, kernels=psf, other=np.zeros(3))
    elif kind == "fits":
        fits.PrimaryHDU(psf).writeto(path)
    else:
        zarr.create_array(path, shape=psf.shape, dtype="f4")[...] = psf
    found = read_kernel(path)
    assert found.is_uniform
    expected = psf[0] if len(psf) == 1 else psf
    np.testing.assert_allclose(found.mean.weights, normal(expected), rtol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "I;16"])
def test_pictures_of_a_kernel(tmp_path, mode):
    grey = RNG.integers(0, 255, (7, 9), dtype=np.uint8)
    if mode == "I;16":
        grey = grey.astype(np.uint16) * 200
        PIL.Image.fromarray(grey).save(tmp_path / "psf.png")
    else:
        PIL.Image.fromarray(grey).convert(mode).save(tmp_path / "psf.png")
    found = read_kernel(tmp_path / "psf.png")
    np.testing.assert_allclose(found.mean.weights, normal(grey), rtol=1e-6)


def test_the_mean_of_a_coloured_kernel_is_taken_with_a_note(tmp_path):
    colours = RNG.integers(0, 255, (7, 9, 3), dtype=np.uint8)
    PIL.Image.fromarray(colours).save(tmp_path / "psf.png")
    found = read_kernel(tmp_path / "psf.png")
    np.testing.assert_allclose(found.mean.weights, normal(colours.mean(-1)), rtol=1e-6)
    assert found.notes == ("its channels (red, green, blue) differ; their mean was taken.",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((5, 5)), "all zeros"),
        (np.full((5, 5), -1.0), "of sum -25"),
        (np.where(np.eye(5) > 0, np.nan, 1), "NaN or infinite"),
        (np.eye(5) - 0.1, "smallest value is -0.1"),
    ],
)
def test_what_is_wrong_with_a_kernel_names_its_file(tmp_path, values, message):
    np.save(tmp_path / "psf.npy", values.astype(np.float32))
    with pytest.raises(KernelError, match=rf"psf\.npy: .*{message}"):
        read_kernel(tmp_path / "psf.npy")
    raw = read_kernel_values(tmp_path / "psf.npy").values
    np.testing.assert_array_equal(raw, values.astype(np.float32))


@pytest.mark.parametrize("shape", [(7, 9), (4, 7, 9)])
def test_a_kernel_written_and_read_is_the_same(tmp_path, shape):
    kernel = Kernel(RNG.random(shape))
    for name in ("psf.tif", "psf.npy", "psf.fits", "psf.zarr", "psf.ome.zarr"):
        found = read_kernel(write_kernel(kernel, tmp_path / name)).mean
        np.testing.assert_allclose(found.weights, kernel.weights, rtol=3e-7)
    stored = tifffile.imread(tmp_path / "psf.tif")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, kernel.weights)
    with pytest.raises(OutputError, match="exists"):
        write_kernel(kernel, tmp_path / "psf.tif")


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_a_field_is_one_tiff(tmp_path, shape):
    expected = field(shape)
    path = write_kernel(expected, tmp_path / "psfs.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["psfs.tif"]
    assert_field(read_kernel(path), expected)
    assert tifffile.imread(path).shape[-2:] == shape[-2:]
    with pytest.raises(OutputError, match="written to TIFF"):
        write_kernel(expected, tmp_path / "psfs.npy")


def test_a_stack_with_positions_in_any_order(tmp_path):
    expected = field()
    stack = np.stack([k.weights for row in expected.kernels for k in row])
    places = np.array([(y, x) for y in expected.rows for x in expected.columns])
    order = RNG.permutation(len(places))
    beside = json.dumps({"positions": places[order].tolist()})
    tifffile.imwrite(tmp_path / "a.tif", stack[order], photometric="minisblack")
    (tmp_path / "a.json").write_text(beside)
    fits.PrimaryHDU(stack[order]).writeto(tmp_path / "b.fits")
    (tmp_path / "b.json").write_text(beside)
    np.savez(tmp_path / "c.npz", kernels=stack[order], positions=places[order])
    array = zarr.create_array(tmp_path / "d.zarr", shape=stack.shape, dtype="f4")
    array[...] = stack[order]
    array.attrs["positions"] = places[order].tolist()
    for name in ("a.tif", "b.fits", "c.npz", "d.zarr"):
        assert_field(read_kernel(tmp_path / name), expected)


def test_positions_that_form_no_grid(tmp_path):
    stack = RNG.random((4, 5, 6)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    cases = {
        '{"positions": [[0, 0], [0, 9], [9, 0], [8, 9]]}': "positions of a field form a grid",
        '{"positions": [[0, 0], [0, 9], [9, 0]]}': "as many kernels as positions",
        '{"positions": [[0, 0], [0, 9], [9, 0], [9]]}': "pairs of row and column",
        '{"positions": "here"}': "pairs of row and column",
        '{"positions": [[0, 0], [0, NaN], [9, 0], [9, 9]]}': "pairs of row and column",
        "[0, 0": r"a\.json: its JSON cannot be read",
    }
    for text, message in cases.items():
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(KernelError, match=message):
            read_kernel(tmp_path / "a.tif")


def test_stacks_without_positions_and_files_that_are_none(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3, 4, 5, 6)))
    with pytest.raises(KernelError, match="a kernel has two axes, or three with depth"):
        read_kernel(tmp_path / "a.npy")
    with pytest.raises(ImageError, match="no file"):
        read_kernel(tmp_path / "b.tif")
    (tmp_path / "b.tif").write_text("no kernel")
    with pytest.raises(ImageError, match=r"b\.tif"):
        read_kernel(tmp_path / "b.tif")
    (tmp_path / "c.npz").write_text("no kernel")
    with pytest.raises(ImageError, match=r"c\.npz"):
        read_kernel(tmp_path / "c.npz")


def test_kernels_of_real_sets(shared):
    for path in sorted((shared / "data" / "levin09" / "kernels_f32").glob("*.tif")):
        found = read_kernel(path).mean
        np.testing.assert_allclose(found.weights, normal(tifffile.imread(path)), rtol=1e-6)
    for path in sorted((shared / "data" / "kernels_misc").glob("*.*")):
        if path.suffix in (".tif", ".png"):
            assert read_kernel(path).mean.ndim == 2
    volumes = ("bead_widefield_3d/kernel.tif", "bars_simulated_3d/kernel.tif")
    for name in (*volumes, "confocal_beads/psf_from_beads.tif", "lightsheet_psf/psf_measured.tif"):
        assert read_kernel(shared / "data" / "microscopy" / name).mean.ndim == 3
    for path in sorted((shared / "data" / "astronomy" / "jwst_nircam").glob("psf_*.fits")):
        assert read_kernel(path).mean.ndim == 2
