"""PSFs over the field in the files of other programs."""

from __future__ import annotations

import numpy as np
import pytest

fits = pytest.importorskip("astropy.io.fits")

from unblur.errors import KernelError  # noqa: E402
from unblur.io import read_kernel  # noqa: E402


def spots(widths, oversampling, size=41):
    """Return Gaussian PSFs (N, size, size) of other widths in pixels."""
    at = (np.arange(size) - size // 2) / oversampling
    return np.array([np.exp(-(at[:, None] ** 2 + at**2) / (2 * w**2)) for w in widths])


def width_of(kernel):
    at = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    return float(np.sqrt((kernel.weights.sum(1) * at**2).sum()))


def write_stpsf(path, widths, positions):
    hdu = fits.PrimaryHDU(spots(widths, 4).astype(np.float32))
    hdu.header["OVERSAMP"] = 4
    for number, (row, column) in enumerate(positions):
        hdu.header[f"DET_YX{number}"] = str((float(row), float(column)))
    hdu.writeto(path)


def test_a_gridded_psf_model_is_read_at_the_pixels_of_the_image(tmp_path):
    positions = [(0, 0), (0, 200), (100, 0), (100, 200)]
    write_stpsf(tmp_path / "grid.fits", (1.0, 1.2, 1.4, 1.6), positions)
    field = read_kernel(tmp_path / "grid.fits")
    assert (field.rows, field.columns) == ((0.0, 100.0), (0.0, 200.0))
    widths = [[width_of(kernel) for kernel in row] for row in field.kernels]
    np.testing.assert_allclose(widths, [[1.0, 1.2], [1.4, 1.6]], rtol=0.02)
    photutils = pytest.importorskip("photutils.psf")
    model = photutils.GriddedPSFModel.read(tmp_path / "grid.fits", format="webbpsf")
    assert len(model.grid_xypos) == 4
    y, x = np.mgrid[-4:5, -4:5]
    theirs = model.evaluate(x.astype(float), y.astype(float), 1.0, 0.0, 0.0)
    ours = field.kernels[0][0].weights[1:-1, 1:-1]
    np.testing.assert_allclose(ours / ours.sum(), theirs / theirs.sum(), atol=1e-4)


def test_an_stdpsf_counts_its_positions_from_one(tmp_path):
    hdu = fits.PrimaryHDU(spots((1.0, 1.2, 1.4, 1.6), 4))
    hdu.header.update({"NXPSFS": 2, "NYPSFS": 2})
    for axis, values in (("IPSFX", (1, 201)), ("JPSFY", (1, 101))):
        for number, value in enumerate(values, 1):
            hdu.header[f"{axis}{number:02d}"] = value
    hdu.writeto(tmp_path / "std.fits")
    field = read_kernel(tmp_path / "std.fits")
    assert (field.rows, field.columns) == ((0.0, 100.0), (0.0, 200.0))
    assert width_of(field.kernels[1][0]) == pytest.approx(1.4, rel=0.02)


def write_psfex(path, coefficients, **changes):
    size = coefficients.shape[1]
    column = fits.Column("PSF_MASK", f"{coefficients.size}E", dim=str(coefficients.shape[::-1]))
    table = fits.BinTableHDU.from_columns([column], nrows=1, name="PSF_DATA")
    table.data["PSF_MASK"][0] = coefficients
    cards = {"POLNAXIS": 2, "POLGRP1": 1, "POLGRP2": 1, "POLNGRP": 1, "POLDEG1": 1}
    cards |= {"POLNAME1": "X_IMAGE", "POLZERO1": 101.0, "POLSCAL1": 200.0}
    cards |= {"POLNAME2": "Y_IMAGE", "POLZERO2": 51.0, "POLSCAL2": 100.0}
    cards |= {"PSF_SAMP": 0.5, "PSFNAXIS": 3, "PSFAXIS1": size, "PSFAXIS2": size, "PSFAXIS3": 3}
    table.header.update(cards | changes)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def test_the_polynomial_of_psfex_is_evaluated_over_its_range(tmp_path):
    mean, wide = spots((1.2, 2.0), 2, 33)
    mean, wide = mean / mean.sum(), wide / wide.sum()
    terms = np.array([mean, 0.2 * (wide - mean), 0.4 * (wide - mean)])  # 1, x, y
    write_psfex(tmp_path / "frame.psf", terms)
    field = read_kernel(tmp_path / "frame.psf")
    assert field.rows == (0.0, 50.0, 100.0)
    assert field.columns == (0.0, 100.0, 200.0)
    middle = width_of(field.kernels[1][1])
    assert middle == pytest.approx(1.2, rel=0.02)
    assert middle < width_of(field.kernels[1][2]) < width_of(field.kernels[2][1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"POLDEG1": 2}, "6 terms"),
        ({"POLNAME1": "MAG_AUTO"}, "not of X and Y"),
        ({"POLNAXIS": 3}, "3 variables"),
    ],
)
def test_a_psfex_file_of_other_terms_is_refused(tmp_path, changes, message):
    write_psfex(tmp_path / "frame.psf", spots((1.2, 1.3, 1.4), 2, 17), **changes)
    with pytest.raises(KernelError, match=message):
        read_kernel(tmp_path / "frame.psf")


def test_keywords_that_do_not_fit_the_samples_are_an_error(tmp_path):
    write_stpsf(tmp_path / "grid.fits", (1.0, 1.2), [(0, 0)])
    with pytest.raises(KernelError, match="do not fit"):
        read_kernel(tmp_path / "grid.fits")
