"""World coordinates, axes and companion extensions of FITS files."""

from __future__ import annotations

import numpy as np
import pytest

import unblur
from unblur.errors import ImageError

fits = pytest.importorskip("astropy.io.fits")
wcs = pytest.importorskip("astropy.wcs")


def written(path, data, cards=(), **options):
    """Write one image with header cards, and return the path."""
    hdu = fits.PrimaryHDU(data)
    hdu.header.update(dict(cards))
    hdu.writeto(path, **options)
    return path


def tangent(sip=False):
    world = wcs.WCS(naxis=2)
    world.wcs.crpix, world.wcs.crval, world.wcs.cdelt = [60, 48], [150, 2], [-1e-4, 1e-4]
    world.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if sip else ["RA---TAN", "DEC--TAN"]
    if sip:
        a = np.zeros((3, 3))
        a[2, 0] = 1e-4
        world.sip = wcs.Sip(a, a.T, None, None, world.wcs.crpix)
    return world


@pytest.mark.parametrize("sip", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_cropped_image_keeps_its_place_on_the_sky(tmp_path, sip, lazy):
    cards = dict(tangent(sip).to_header(relax=True))
    cards |= {"CTYPE1B": "LINEAR", "CRPIX1B": 1.0, "CRVAL1B": 500.0, "LTV2": 0.0}
    path = written(tmp_path / "a.fits", np.zeros((96, 120), np.float32), cards)
    part = unblur.read_image(path, lazy=lazy).cropped(slice(20, 80), slice(30, 110))
    part = part.cropped(slice(5, None), slice(None, 40))
    unblur.write_image(part, tmp_path / "b.fits")
    header = fits.getheader(tmp_path / "b.fits")
    expected = wcs.WCS(fits.getheader(path)).all_pix2world(30, 25, 0)
    found = wcs.WCS(header).all_pix2world(0, 0, 0)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert (header["CRPIX1B"], header["LTV2"]) == (-29.0, -25.0)


def test_a_header_without_reference_pixel_gets_one_when_cropped(tmp_path):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-4, "CDELT2": 1e-4}
    path = written(tmp_path / "a.fits", np.zeros((20, 30), np.float32), cards)
    unblur.write_image(
        unblur.read_image(path).cropped(slice(4, 9), slice(7, 19)), tmp_path / "b.fits"
    )
    header = fits.getheader(tmp_path / "b.fits")
    assert (header["CRPIX1"], header["CRPIX2"]) == (-7.0, -4.0)


def spectral_cube(path, kinds, shape):
    cards = {f"CTYPE{n}": kind for n, kind in enumerate(kinds, start=1)}
    return written(path, np.zeros(shape, np.float32), cards)


def test_rows_and_columns_are_the_celestial_axes(tmp_path):
    path = spectral_cube(tmp_path / "a.fits", ("VELO-LSR", "GLON-CAR", "GLAT-CAR"), (4, 5, 6))
    image = unblur.read_image(path)
    assert (image.axes, image.shape) == ("CYX", (6, 4, 5))
    unblur.write_image(image, tmp_path / "b.fits")
    assert fits.getdata(tmp_path / "b.fits").shape == (4, 5, 6)


def test_a_cube_without_two_spatial_axes_is_refused(tmp_path):
    path = spectral_cube(tmp_path / "a.fits", ("WAVE", "", ""), (4, 5, 6))
    with pytest.raises(ImageError, match=r"not both spatial.*WAVE \(6\).*--axes"):
        unblur.read_image(path)
    assert unblur.read_image(path, axes="YXC").axes == "CYX"


@pytest.mark.parametrize("lazy", [False, True])
def test_axes_of_length_one_are_kept(tmp_path, lazy):
    kinds = ("RA---TAN", "DEC--TAN", "FREQ", "STOKES")
    path = spectral_cube(tmp_path / "a.fits", kinds, (1, 1, 5, 6))
    unblur.write_image(unblur.read_image(path, lazy=lazy), tmp_path / "b.fits")
    header = fits.getheader(tmp_path / "b.fits")
    assert [header[f"NAXIS{n}"] for n in range(1, 5)] == [6, 5, 1, 1]
    assert header["CTYPE4"] == "STOKES"


@pytest.mark.parametrize("key", ["BAYERPAT", "COLORTYP"])
def test_a_raw_mosaic_is_refused(tmp_path, key):
    path = written(tmp_path / "a.fits", np.zeros((8, 8), np.uint16), {key: "RGGB"})
    with pytest.raises(ImageError, match=r"raw mosaic of a colour camera \(RGGB\)"):
        unblur.read_image(path)


def hubble_like(path):
    """Write an image with errors, quality flags and distortion tables."""
    world = tangent()
    table = np.full((8, 10), 3.5, np.float32)
    world.cpdis1 = wcs.DistortionLookupTable(table, (1, 1), (1, 1), (13, 13))
    world.cpdis2 = wcs.DistortionLookupTable(table, (1, 1), (1, 1), (13, 13))
    science, *tables = world.to_fits(relax=True)
    image = np.arange(96 * 120, dtype=np.float32).reshape(96, 120)
    quality = (np.arange(96 * 120).reshape(96, 120) % 7).astype(np.uint16)
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(image, science.header, name="SCI"),
            fits.ImageHDU(np.sqrt(image), name="ERR"),
            fits.ImageHDU(quality, name="DQ"),
            fits.ImageHDU(image, name="OTHER", ver=2),
            *[fits.ImageHDU(hdu.data, hdu.header) for hdu in tables],
        ]
    ).writeto(path)
    return path


def test_companions_of_an_image_follow_it_and_say_whose_they_are(tmp_path):
    path = hubble_like(tmp_path / "a.fits")
    unblur.write_image(unblur.read_image(path), tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits") as out, fits.open(path) as given:
        out.verify("exception")
        assert [hdu.name for hdu in out] == ["PRIMARY", "SCI", "ERR", "DQ", "WCSDVARR", "WCSDVARR"]
        for name in ("ERR", "DQ"):
            np.testing.assert_array_equal(out[name].data, given[name].data)
            assert out[name].data.dtype == given[name].data.dtype
            assert "is the input's" in str(out[name].header["COMMENT"])
        expected = wcs.WCS(given["SCI"].header, given).all_pix2world(50, 50, 0)
        found = wcs.WCS(out["SCI"].header, out).all_pix2world(50, 50, 0)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_note_says_which_companions_are_the_inputs(tmp_path):
    other, note = unblur.read_image(hubble_like(tmp_path / "a.fits")).metadata["notes"]
    assert other.endswith("a.fits[4].")
    assert note.startswith("the extensions ERR and DQ are the input's, not recomputed")
    fits.HDUList(
        [fits.PrimaryHDU(np.ones((4, 5))), fits.ImageHDU(np.ones((4, 5)), name="ERR")]
    ).writeto(tmp_path / "b.fits")
    (note,) = unblur.read_image(tmp_path / "b.fits").metadata["notes"]
    assert note.startswith("the extension ERR is the input's")
    fits.writeto(tmp_path / "c.fits", np.ones((4, 5)))
    assert unblur.read_image(tmp_path / "c.fits").metadata["notes"] == ()


def mosaic(path, names, **cards):
    """Write an image for each detector, with cards that differ; return the path."""
    hdus = [
        fits.ImageHDU(np.full((8, 9), n, np.float32), name=name) for n, name in enumerate(names)
    ]
    for key, values in cards.items():
        for hdu, value in zip(hdus, values, strict=True):
            hdu.header[key] = value
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


@pytest.mark.parametrize(
    ("names", "cards"),
    [
        (["CCD1", "CCD2", "CCD3"], {}),
        (["N1", "S1", "S2"], {"CCDNUM": [1, 2, 3]}),
        (["A", "B", "C"], {"CRPIX1": [1.0, -2000.0, -4000.0]}),
        (["SCI", "SCI", "SCI"], {"EXTVER": [1, 2, 3]}),
        (["", "", ""], {}),
    ],
)
def test_other_detectors_are_noted_and_not_copied(tmp_path, names, cards):
    path = mosaic(tmp_path / "a.fits", names, **cards)
    image = unblur.read_image(path)
    assert image.metadata["notes"] == (
        f"{path} holds 3 images, of which this is the first; the next is {path}[2].",
    )
    unblur.write_image(image, tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits") as out:
        assert len(out) == 2
    second = unblur.read_image(f"{path}[2]")
    assert (np.asarray(second.data) == 1).all()
    assert second.metadata["notes"] == ()


def test_companions_are_cut_to_the_same_part(tmp_path):
    path = hubble_like(tmp_path / "a.fits")
    part = unblur.read_image(path).cropped(slice(20, 80), slice(30, 110))
    unblur.write_image(part, tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits") as out, fits.open(path) as given:
        out.verify("exception")
        np.testing.assert_array_equal(out["DQ"].data, given["DQ"].data[20:80, 30:110])
        expected = wcs.WCS(given["SCI"].header, given).all_pix2world(50, 50, 0)
        found = wcs.WCS(out["SCI"].header, out).all_pix2world(20, 30, 0)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint32"])
def test_blank_marks_integers_without_changing_their_type(tmp_path, dtype, lazy, packed):
    info = np.iinfo(dtype)
    data = np.arange(1000, 1600, dtype=dtype).reshape(20, 30)
    data[3:5, 4:8] = info.min
    hdu = (fits.CompImageHDU if packed else fits.PrimaryHDU)(data)
    hdu.header["BLANK"] = int(np.iinfo(f"int{info.bits}").min)
    path = tmp_path / ("a.fits.fz" if packed else "a.fits")
    (fits.HDUList([fits.PrimaryHDU(), hdu]) if packed else hdu).writeto(path)
    image = unblur.read_image(path, lazy=lazy)
    assert (image.dtype.name, image.nodata) == (dtype, info.min)
    np.testing.assert_array_equal(np.asarray(image.data), data)
    unblur.write_image(image, tmp_path / "b.fits")
    assert fits.getheader(tmp_path / "b.fits", -1)["BLANK"] == int(np.iinfo(f"int{info.bits}").min)


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_unsigned_integers_compressed_by_plio_are_the_stored_ones(tmp_path, lazy, blank):
    data = np.arange(600, dtype=np.int16).reshape(20, 30)
    names = ("SCI", "DQ")
    packed = [fits.CompImageHDU(data, name=n, compression_type="PLIO_1") for n in names]
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), *packed]).writeto(path)
    # CFITSIO states the offset of unsigned integers, and compresses them without it.
    with fits.open(path, "update", disable_image_compression=True) as hdus:
        for name in names:
            hdus[name].header["BZERO"] = 32768
            if blank:
                hdus[name].header["BLANK"] = -32768
    image = unblur.read_image(path, lazy=lazy)
    assert (image.dtype, image.nodata) == (np.uint16, 0 if blank else None)
    np.testing.assert_array_equal(np.asarray(image.data), data)
    unblur.write_image(image, tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", uint=True) as out:
        np.testing.assert_array_equal(out["SCI"].section[:], data)
        np.testing.assert_array_equal(out["DQ"].section[:], data)


@pytest.mark.parametrize(("dtype", "smallest"), [("f4", 4.6e-41), ("f8", 3.04e-319)])
@pytest.mark.parametrize("lazy", [False, True])
def test_floats_that_fitsio_lost_are_no_data(tmp_path, dtype, smallest, lazy):
    values = np.arange(30, dtype=f">{dtype}").reshape(5, 6) - 3
    whole = unblur.read_image(written(tmp_path / "whole.fits", values), lazy=lazy)
    assert not any("fitsio" in note for note in whole.metadata["notes"])
    assert (np.asarray(whole.data) != whole.nodata).all()
    values[1, 2:4] = np.array(np.inf, f">{dtype}").view(f"<{dtype}")
    np.testing.assert_allclose(float(values[1, 2]), smallest, rtol=0.01)
    image = unblur.read_image(written(tmp_path / "lost.fits", values), lazy=lazy)
    absent = np.asarray(image.data) == image.nodata
    assert np.argwhere(absent).tolist() == [[1, 2], [1, 3]]
    noted = [note for note in image.metadata["notes"] if "2 of its 30 pixels" in note]
    assert len(noted) == (not lazy)
