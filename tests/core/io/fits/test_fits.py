"""FITS: headers, world coordinates, scaled integers, extensions."""

import builtins
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.hdu.base import _CorruptedHDU
from astropy.wcs import WCS

from unblur.errors import ImageError, OutputError
from unblur.io import read_image, write_image
from unblur.io.fits.extensions import find_image
from unblur.model.image import Image

RNG = np.random.default_rng(13)


def sky_header(cd=True):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [15, 10]
    wcs.wcs.crval = [150.1, 2.2]
    angle = np.deg2rad(30)
    turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if cd:
        wcs.wcs.cd = turn * 0.05 / 3600
    else:
        wcs.wcs.cdelt = [0.05 / 3600, 0.08 / 3600]
        wcs.wcs.pc = turn
    header = wcs.to_header()
    if cd:  # astropy writes PC; many files in the wild have CD
        for name in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
            header.remove(name, ignore_missing=True)
        for i in (1, 2):
            for j in (1, 2):
                header[f"CD{i}_{j}"] = wcs.wcs.cd[i - 1, j - 1]
    header["BUNIT"] = "MJy/sr"
    header["HIERARCH ESO DET ID"] = "CCD 7"
    header["COMMENT"] = "a remark"
    header["HISTORY"] = "flat-fielded"
    return header


def test_a_matrix_without_cdelt_gives_the_pixel_size(tmp_path):
    header = sky_header(False)
    for i in (1, 2):
        for j in (1, 2):
            header[f"PC{i}_{j}"] = header.get(f"PC{i}_{j}", float(i == j)) * header[f"CDELT{i}"]
    for i in (1, 2):
        del header[f"CDELT{i}"]
    fits.PrimaryHDU(np.ones((20, 30), np.float32), header).writeto(tmp_path / "in.fits")
    scale = WCS(header).proj_plane_pixel_scales()
    found = read_image(tmp_path / "in.fits").pixel_size
    assert found["X"] == pytest.approx(scale[0].to("arcsec").value)
    assert found["Y"] == pytest.approx(scale[1].to("arcsec").value)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("cd", [False, True])
def test_header_and_coordinates_survive(tmp_path, cd, lazy):
    data = RNG.normal(0, 30, (20, 30)).astype(np.float32)
    data[3, 4] = np.nan
    header = sky_header(cd)
    fits.PrimaryHDU(data, header).writeto(tmp_path / "in.fits")
    image = read_image(tmp_path / "in.fits", lazy=lazy)
    assert image.units == {"Y": "arcsec", "X": "arcsec"}
    metadata = {**image.metadata, "history": ("deblurred with wiener",)}
    write_image(image.with_data(image.data, metadata=metadata), tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as found, fits.open(tmp_path / "in.fits") as given:
        np.testing.assert_array_equal(found[0].data, data)
        for card in given[0].header.cards:
            if card.keyword not in ("HISTORY", "COMMENT", "EXTEND"):
                assert found[0].header[card.keyword] == card.value, card
        assert list(found[0].header["HISTORY"]) == ["flat-fielded", "deblurred with wiener"]
        assert list(found[0].header["COMMENT"]) == ["a remark"]
        sky = WCS(given[0].header).pixel_to_world(3, 5)
        assert WCS(found[0].header).pixel_to_world(3, 5).separation(sky).arcsec < 1e-9
        found.verify("exception")
    scale = WCS(header).proj_plane_pixel_scales()
    assert image.pixel_size["X"] == pytest.approx(scale[0].to("arcsec").value)
    assert image.pixel_size["Y"] == pytest.approx(scale[1].to("arcsec").value)
    assert read_image(tmp_path / "out.fits").pixel_size == pytest.approx(image.pixel_size)


@pytest.mark.parametrize("lazy", [False, True])
def test_scaled_integers_come_in_their_physical_values(tmp_path, lazy):
    counts = RNG.integers(-3000, 3000, (20, 30)).astype(np.int16)
    hdu = fits.PrimaryHDU(counts)
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.25, 100.0
    raw = hdu.header.tostring() + ""
    body = counts.astype(">i2").tobytes()
    (tmp_path / "in.fits").write_bytes(raw.encode() + body + b"\0" * (-len(body) % 2880))
    image = read_image(tmp_path / "in.fits", lazy=lazy)
    assert image.dtype.kind == "f"
    np.testing.assert_allclose(np.asarray(image.data), counts * 0.25 + 100)
    write_image(image, tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as found:
        np.testing.assert_allclose(found[0].data, counts * 0.25 + 100)
        assert "BSCALE" not in found[0].header


@pytest.mark.parametrize("lazy", [False, True])
def test_unsigned_counts_stay_unsigned(tmp_path, lazy):
    counts = RNG.integers(0, 65535, (20, 30)).astype(np.uint16)
    fits.PrimaryHDU(counts).writeto(tmp_path / "in.fits")
    image = read_image(tmp_path / "in.fits", lazy=lazy)
    assert (image.dtype, image.white) == (np.uint16, 65535)
    write_image(image, tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as found:
        assert (found[0].header["BITPIX"], found[0].header["BZERO"]) == (16, 32768)
        np.testing.assert_array_equal(found[0].data, counts)


def extensions(path):
    science, error = (RNG.normal(0, 1, (20, 30)).astype(np.float32) for _ in range(2))
    primary = fits.PrimaryHDU(header=fits.Header([("TELESCOP", "JWST")]))
    fits.HDUList(
        [
            primary,
            fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])], name="CAT"),
            fits.ImageHDU(science, sky_header(), name="SCI"),
            fits.ImageHDU(error, name="ERR"),
            fits.ImageHDU(science * 2, name="SCI", ver=2),
        ]
    ).writeto(path)
    return science, error


def test_the_first_image_is_read_unless_another_is_named(tmp_path):
    science, error = extensions(tmp_path / "in.fits")
    cases = {"": science, "[ERR]": error, "[3]": error, "[SCI]": science, "[SCI,2]": science * 2}
    for part, data in cases.items():
        for lazy in (False, True):
            image = read_image(f"{tmp_path}/in.fits{part}", lazy=lazy)
            np.testing.assert_array_equal(np.asarray(image.data), data)
    listed = r"no extension \[DQ\]; it holds 0 \(PRIMARY\), 1 \(CAT\), 2 \(SCI\)"
    with pytest.raises(ImageError, match=listed):
        read_image(f"{tmp_path}/in.fits[DQ]")
    with pytest.raises(ImageError, match=r"extension \[CAT\] holds no image"):
        read_image(f"{tmp_path}/in.fits[CAT]")


def test_an_extension_comes_back_below_its_primary_header(tmp_path):
    science, _ = extensions(tmp_path / "in.fits")
    write_image(read_image(tmp_path / "in.fits"), tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as found:
        assert found[0].header["TELESCOP"] == "JWST"
        assert found["SCI"].header["BUNIT"] == "MJy/sr"
        np.testing.assert_array_equal(found["SCI"].data, science)
        found.verify("exception")


def test_compressed_images_are_read(tmp_path):
    data = RNG.integers(0, 4000, (60, 70)).astype(np.int32)
    fits.CompImageHDU(data, compression_type="RICE_1").writeto(tmp_path / "in.fits.fz")
    for lazy in (False, True):
        image = read_image(tmp_path / "in.fits.fz", lazy=lazy)
        np.testing.assert_array_equal(np.asarray(image.data), data)
    write_image(image, tmp_path / "out.fits")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), data)


def test_floats_that_were_compressed_as_whole_numbers_are_noted(tmp_path):
    data = RNG.normal(1, 1, (60, 70)).astype(np.float32)
    for name, level, noted in (
        ("RICE_1", 0, True),
        ("HCOMPRESS_1", 0, True),
        ("RICE_1", 16, False),
        ("GZIP_1", 0, False),
    ):
        packed = fits.CompImageHDU(data, compression_type=name, quantize_level=level)
        packed.writeto(tmp_path / "in.fits", overwrite=True)
        image = read_image(tmp_path / "in.fits")
        assert bool((image.data % 1 == 0).all()) == noted
        notes = [n for n in image.metadata["notes"] if f"{name} without quantization" in n]
        assert len(notes) == noted
        assert image.dtype == np.float32


def test_cubes_are_bands_and_unnamed_single_axes_fall_away(tmp_path):
    data = RNG.normal(0, 1, (1, 5, 20, 30)).astype(np.float32)
    header = fits.Header([("CTYPE3", "FREQ"), ("CTYPE4", "STOKES")])
    fits.PrimaryHDU(data, header).writeto(tmp_path / "in.fits")
    image = read_image(tmp_path / "in.fits")
    assert (image.axes, image.shape) == ("CYX", (5, 20, 30))
    fits.PrimaryHDU(np.repeat(data, 2, 0)).writeto(tmp_path / "two.fits")
    with pytest.raises(ImageError, match="4 axes .* not all named"):
        read_image(tmp_path / "two.fits")
    assert read_image(tmp_path / "two.fits", axes="TZYX").axes == "TZYX"


def test_a_large_lazy_image_is_streamed(tmp_path):
    data = RNG.integers(0, 60000, (3, 700, 300)).astype(np.uint16)
    lazy = da.from_array(data, chunks=(2, 256, 100))
    write_image(Image(lazy, "ZYX"), tmp_path / "a.fits")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits"), data)


def test_without_astropy_the_command_to_install_it_is_told(tmp_path, monkeypatch):
    fits.PrimaryHDU(np.ones((4, 4))).writeto(tmp_path / "in.fits")
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("astropy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImageError, match=r"pip install 'unblur\[astro\]'"):
        read_image(tmp_path / "in.fits")
    with pytest.raises(OutputError, match=r"pip install 'unblur\[astro\]'"):
        write_image(Image(np.ones((4, 4)), "YX"), tmp_path / "out.fits")


def test_a_header_that_cannot_be_read_ends_the_search_for_an_image():
    damaged = object.__new__(_CorruptedHDU)
    extensions = [fits.PrimaryHDU(), damaged, fits.ImageHDU(np.zeros((4, 5)))]
    for part in (None, "2", "SCI"):
        with pytest.raises(ImageError, match=r"a\.fits is damaged: the header of extension 1"):
            find_image(extensions, part, Path("a.fits"))
    assert find_image([extensions[2], damaged], None, Path("a.fits")) == 0


@pytest.mark.parametrize(
    ("cards", "size", "unit"),
    [
        ([("SECPIX", 0.4)], (0.4, 0.4), "arcsec"),
        ([("SECPIX1", -0.3), ("SECPIX2", 0.4)], (0.4, 0.3), "arcsec"),
        ([("PIXSCALE", 0.396, "[arcsec/pixel] plate scale")], (0.396, 0.396), "arcsec"),
        ([("PIXSCALE", 12.5, "mas per pixel")], (12.5, 12.5), "mas"),
        ([("PIXSIZE", 1.2, 'Pixel scale in " per pixel')], (1.2, 1.2), "arcsec"),
        ([("PIXSCALE", 0.396)], None, "does not name arcsec"),
        ([("PIXSCALE", 1e-4, "degrees")], None, "does not name arcsec"),
        ([("PIXSIZE", 9.0)], None, ""),
        ([("PIXSIZE", 9.0, "pixel size in um")], None, ""),
        ([("SECPIX", 0.0)], None, ""),
        ([("SECPIX", "0.4")], None, ""),
    ],
)
@pytest.mark.parametrize("is_extension", [False, True])
def test_a_keyword_states_the_pixel_size_where_its_unit_is_sure(
    tmp_path, cards, size, unit, is_extension
):
    header = fits.Header([("SIMPLE", True), *cards])
    hdus = [fits.PrimaryHDU(np.ones((4, 5), np.float32), header)]
    if is_extension:  # what the primary header states applies to the image
        hdus = [fits.PrimaryHDU(None, header), fits.ImageHDU(np.ones((4, 5), np.float32))]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    notes = " ".join(image.metadata["notes"])
    if size is None:
        assert image.pixel_size == {}
        assert unit in notes
        return
    assert image.pixel_size == dict(zip("YX", size, strict=True))
    assert set(image.units.values()) == {unit}
    assert f"is that of {cards[0][0]}" in notes


def test_world_coordinates_come_before_a_keyword(tmp_path):
    header = fits.Header([("SIMPLE", True), ("SECPIX", 9.0), ("CTYPE1", "RA---TAN"),
                          ("CTYPE2", "DEC--TAN"), ("CDELT1", -1e-4), ("CDELT2", 1e-4)])  # fmt: skip
    fits.PrimaryHDU(np.ones((4, 5), np.float32), header).writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    assert image.pixel_size == pytest.approx({"Y": 0.36, "X": 0.36})
    assert not any("SECPIX" in note for note in image.metadata["notes"])
