"""The dialects of TIFF: what other programs write is read, and comes back as it was."""

from dataclasses import replace

import dask.array as da
import numpy as np
import PIL.Image
import pytest
import tifffile
from tiff_for_tests import counts, through

from unblur.errors import ImageError
from unblur.io import read_image, write_image
from unblur.io.tiff.writer import TiffWriter, bands
from unblur.model.image import Image

RNG = np.random.default_rng(7)


def test_imagej_hyperstack_keeps_spacing_interval_and_display(tmp_path):
    data = counts(3, 4, 2, 30, 40)  # ImageJ's order is TZCYX
    tifffile.imwrite(
        tmp_path / "in.tif", data, imagej=True, resolution=(5.0, 4.0),
        metadata={"axes": "TZCYX", "spacing": 0.7, "unit": "um", "finterval": 1.5,
                  "Info": "stage 3", "mode": "composite", "Ranges": [0.0, 100.0, 5.0, 90.0]},
    )  # fmt: skip
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif")
    np.testing.assert_array_equal(image.data, data.swapaxes(1, 2))
    assert image.pixel_size == pytest.approx({"T": 1.5, "Z": 0.7, "Y": 0.25, "X": 0.2})
    assert image.units == {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    assert again.pixel_size == image.pixel_size
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_imagej
        np.testing.assert_array_equal(tif.asarray(), data)
        found = tif.imagej_metadata
    assert (found["Info"], found["mode"], found["spacing"]) == ("stage 3", "composite", 0.7)
    assert tuple(found["Ranges"]) == (0.0, 100.0, 5.0, 90.0)


def test_imagej_colours_stay_a_colour_picture(tmp_path):
    data = counts(4, 30, 40, 3, dtype=np.uint8, top=255)
    tifffile.imwrite(tmp_path / "in.tif", data, imagej=True, metadata={"axes": "ZYXS"})
    image, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (image.axes, image.channels) == ("CZYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), data)


def test_a_lazy_imagej_stack_too_big_to_hold_becomes_ome(tmp_path):
    data = counts(4, 30, 40)
    tifffile.imwrite(tmp_path / "in.tif", data, imagej=True, metadata={"axes": "ZYX"})
    image = read_image(tmp_path / "in.tif", lazy=True)
    TiffWriter(imagej_limit=1000).write(image, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "ZYX"
        np.testing.assert_array_equal(tif.asarray(), data)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"tile": (16, 32)},
        {"rowsperstrip": 7},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib", "predictor": True},
        {"compression": "zstd", "tile": (32, 16)},
        {"compression": "lzw", "rowsperstrip": 5},
    ],
)
def test_strips_tiles_byte_orders_and_codes(tmp_path, storage, lazy):
    data = counts(70, 90)
    tifffile.imwrite(tmp_path / "in.tif", data, metadata=None, **storage)
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif", lazy=lazy)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(image.data), data)
    np.testing.assert_array_equal(np.asarray(again.data), data)
    with (
        tifffile.TiffFile(tmp_path / "in.tif") as one,
        tifffile.TiffFile(tmp_path / "out.tif") as two,
    ):
        assert one.is_bigtiff == two.is_bigtiff
        assert one.pages[0].compression == two.pages[0].compression
        if "tile" in storage:
            assert one.pages[0].tile == two.pages[0].tile
            assert image.metadata["chunks"] == storage["tile"]


def test_lossy_codes_are_replaced_by_a_lossless_one(tmp_path):
    data = np.repeat(counts(64, 64, 1, dtype=np.uint8, top=255), 3, 2)
    tifffile.imwrite(
        tmp_path / "in.tif", data, compression="jpeg", photometric="rgb", tile=(32, 32)
    )
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert (image.axes, image.channels) == ("CYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.data, again.data)


def test_a_pyramid_is_read_at_its_base(tmp_path):
    data = counts(256, 320)
    with tifffile.TiffWriter(tmp_path / "in.tif") as tif:
        tif.write(data, subifds=2, tile=(64, 64))
        for step in (2, 4):
            tif.write(data[::step, ::step], subfiletype=1, tile=(64, 64))
    for lazy in (False, True):
        image = read_image(tmp_path / "in.tif", lazy=lazy)
        np.testing.assert_array_equal(np.asarray(image.data), data)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("lazy", [False, True])
def test_colours_lie_in_the_file_as_before(tmp_path, planar, lazy):
    shape = (50, 60, 4) if planar == "contig" else (4, 50, 60)
    data = counts(*shape)
    tifffile.imwrite(
        tmp_path / "in.tif", data, photometric="rgb", planarconfig=planar,
        extrasamples=["unassalpha"], metadata=None,
    )  # fmt: skip
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif", lazy=lazy)
    assert image.channels == again.channels == ("red", "green", "blue", "alpha")
    np.testing.assert_array_equal(np.asarray(image.data), np.asarray(again.data))
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        page = tif.pages[0]
        assert page.planarconfig == (1 if planar == "contig" else 2)
        assert tuple(page.extrasamples) == (2,)
        np.testing.assert_array_equal(tif.asarray(), data)


@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif"])
def test_channels_named_after_samples_were_read_keep_their_names(tmp_path, name):
    tifffile.imwrite(
        tmp_path / "in.tif", counts(3, 50, 60), photometric="minisblack", planarconfig="separate"
    )
    image = replace(read_image(tmp_path / "in.tif"), channels=("DAPI", "GFP", "Cy5"))
    again = read_image(write_image(image, tmp_path / name))
    assert again.channels == image.channels
    np.testing.assert_array_equal(np.asarray(again.data), np.asarray(image.data))


def test_a_fourth_band_that_is_no_alpha_is_an_image_like_the_others(tmp_path):
    tifffile.imwrite(
        tmp_path / "in.tif", counts(50, 60, 4), photometric="rgb", extrasamples=["unspecified"]
    )
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert image.channels == again.channels == ("red", "green", "blue", "extra 1")


def test_tags_about_the_picture_stay(tmp_path):
    tifffile.imwrite(
        tmp_path / "in.tif", counts(50, 60), resolution=((20000, 1), (25000, 1)),
        resolutionunit="centimeter", description="a note", datetime="2020:01:02 03:04:05",
        software="camera 3", iccprofile=b"\0" * 128 + b"profile", metadata=None,
        extratags=[(315, 2, 0, "A. Artist", True), (700, 1, 7, b"<xmp/> ", True),
                   (33550, 12, 3, (1.0, 1.0, 0.0), True)],
    )  # fmt: skip
    image, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert image.pixel_size == pytest.approx({"Y": 0.4, "X": 0.5})
    with (
        tifffile.TiffFile(tmp_path / "in.tif") as one,
        tifffile.TiffFile(tmp_path / "out.tif") as two,
    ):
        for code in (270, 282, 283, 296, 305, 306, 315, 700, 33550, 34675):
            assert one.pages[0].tags.valueof(code) == two.pages[0].tags.valueof(code), code


def test_resolutions_for_screens_are_no_pixel_sizes(tmp_path):
    for dpi in (72, 96):
        tifffile.imwrite(tmp_path / "in.tif", counts(9, 9), resolution=(dpi, dpi), resolutionunit=2)
        image, _ = through(tmp_path / "in.tif", tmp_path / f"out{dpi}.tif")
        assert image.pixel_size == {}
        with tifffile.TiffFile(tmp_path / f"out{dpi}.tif") as tif:
            assert tif.pages[0].tags.valueof(282)[0] == dpi
    tifffile.imwrite(tmp_path / "in.tif", counts(9, 9), resolution=(300, 300), resolutionunit=2)
    assert read_image(tmp_path / "in.tif").pixel_size["X"] == pytest.approx(25400 / 300)


def test_a_resolution_without_a_unit_is_kept_and_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", counts(9, 9), resolution=(10, 20), resolutionunit=1)
    image, _ = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert image.pixel_size == {}
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        tags = tif.pages[0].tags
        assert (tags.valueof(282), tags.valueof(283)) == ((10, 1), (20, 1))
        assert int(tags.valueof(296)) == 1


def test_packed_bits_tell_the_white(tmp_path):
    try:
        tifffile.imwrite(tmp_path / "in.tif", counts(20, 30), bitspersample=12)
    except NotImplementedError:
        pytest.skip("needs a newer imagecodecs, which writes the file")
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif")
    assert image.white == again.white == 4095
    assert image.dtype == again.dtype == np.uint16


def test_palettes_are_colours_unless_they_only_tint_intensities(tmp_path):
    index = counts(20, 30, dtype=np.uint8, top=255)
    ramp = np.arange(256, dtype=np.uint16) * 257
    picture = np.stack([RNG.permutation(ramp) for _ in range(3)])
    tifffile.imwrite(tmp_path / "picture.tif", index, photometric="palette", colormap=picture)
    tint = np.stack([ramp, ramp // 2, ramp * 0])
    tifffile.imwrite(tmp_path / "tint.tif", index, photometric="palette", colormap=tint)
    for lazy in (False, True):
        image = read_image(tmp_path / "picture.tif", lazy=lazy)
        expected = (picture[:, index] // 257).astype(np.uint8)
        assert image.channels == ("red", "green", "blue")
        np.testing.assert_array_equal(np.asarray(image.data), expected)
        again = read_image(write_image(image, tmp_path / "out.tif", overwrite=True))
        np.testing.assert_array_equal(again.data, expected)
    np.testing.assert_array_equal(read_image(tmp_path / "tint.tif").data, index)


def test_white_zero_and_inks_keep_their_meaning(tmp_path):
    tifffile.imwrite(tmp_path / "white.tif", counts(20, 30), photometric="miniswhite")
    through(tmp_path / "white.tif", tmp_path / "out.tif")
    assert tifffile.TiffFile(tmp_path / "out.tif").pages[0].photometric == 0
    inks = counts(20, 30, 4, dtype=np.uint8, top=255)
    tifffile.imwrite(tmp_path / "inks.tif", inks, photometric="separated")
    image, _ = through(tmp_path / "inks.tif", tmp_path / "out2.tif")
    assert image.channels == ("cyan", "magenta", "yellow", "black")
    assert tifffile.TiffFile(tmp_path / "out2.tif").pages[0].photometric == 5


def test_stacks_without_names_and_with_given_ones(tmp_path):
    data = counts(6, 20, 30)
    tifffile.imwrite(tmp_path / "in.tif", data, metadata=None, photometric="minisblack")
    assert read_image(tmp_path / "in.tif").axes == "ZYX"
    image, again = through(tmp_path / "in.tif", tmp_path / "out.tif", axes="TYX")
    assert image.axes == again.axes == "TYX"
    tifffile.imwrite(tmp_path / "rgb.tif", data[:3], metadata=None, photometric="minisblack")
    assert read_image(tmp_path / "rgb.tif").axes == "CYX"


def test_each_series_can_be_asked_for(tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as tif:
        tif.write(np.zeros((20, 30), np.uint8))
        tif.write(np.ones((9, 8), np.uint16))
    assert read_image(tmp_path / "in.tif").shape == (20, 30)
    image = read_image(tmp_path / "in.tif[1]")
    assert (image.shape, image.dtype) == ((9, 8), np.uint16)
    assert read_image(tmp_path / "in.tif[1]", lazy=True).data.compute().all()
    with pytest.raises(ImageError, match=r"no series \[2\]; there are 2"):
        read_image(tmp_path / "in.tif[2]")


def test_other_images_are_noted_but_no_thumbnails_and_masks(tmp_path):
    path, other = tmp_path / "in.tif", np.ones((9, 8), np.uint16)
    with tifffile.TiffWriter(path) as tif:
        tif.write(np.zeros((5, 6), np.uint8), subfiletype=1)
        tif.write(np.zeros((20, 30), np.uint8))
        tif.write(np.ones((20, 30), bool), photometric="mask", subfiletype=4)
        tif.write(other)
    image = read_image(path)
    assert image.shape == (20, 30)
    (note,) = image.metadata["notes"]
    assert note == f"{path} holds 2 images, of which this is the first; the next is {path}[3]."
    np.testing.assert_array_equal(read_image(f"{path}[3]").data, other)
    assert read_image(f"{path}[3]").metadata["notes"] == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_multiplied_by_alpha_stay_so_in_tiff_and_are_divided_in_png(tmp_path, dtype):
    top = np.iinfo(dtype).max
    straight = RNG.integers(0, top, (20, 30, 3))
    alpha = RNG.integers(0, top, (20, 30, 1)) // 2 * (RNG.random((20, 30, 1)) > 0.1) + top // 2
    alpha[:3] = 0
    given = np.concatenate([np.rint(straight * (alpha / top)), alpha], -1).astype(dtype)
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, given, photometric="rgb", extrasamples=["assocalpha"])
    image, _ = through(path, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        assert tif.pages[0].extrasamples == (1,)
    write_image(image, tmp_path / "out.png")
    made = np.asarray(read_image(tmp_path / "out.png").data).transpose(1, 2, 0)
    np.testing.assert_array_equal(made[..., 3:], alpha)
    assert np.abs(made[3:, :, :3] - straight[3:]).max() <= 1


def test_a_camera_mosaic_is_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "raw.tif", counts(20, 30), photometric="cfa",
        extratags=[(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)],
    )  # fmt: skip
    with pytest.raises(ImageError, match="raw mosaic of a camera"):
        read_image(tmp_path / "raw.tif")


def test_pillow_reads_what_is_written(tmp_path):
    grey, colour = counts(40, 50), counts(3, 40, 50, dtype=np.uint8, top=255)
    image = Image(da.from_array(grey, chunks=(16, 16)), "YX")
    with PIL.Image.open(write_image(image, tmp_path / "grey.tif")) as found:
        np.testing.assert_array_equal(np.array(found), grey)
    image = Image(colour, "CYX", channels=("red", "green", "blue"))
    with PIL.Image.open(write_image(image, tmp_path / "colour.tif")) as found:
        np.testing.assert_array_equal(np.array(found), colour.transpose(1, 2, 0))


def test_bands_compute_every_chunk_once():
    seen = []

    def block(block_info=None):
        seen.append(block_info[None]["chunk-location"])
        return np.full(block_info[None]["chunk-shape"], len(seen), np.int64)

    rows = (7, 7, 7, 5)
    lazy = da.map_blocks(block, chunks=(rows, (10, 3)), dtype=np.int64, meta=np.empty((0, 0), int))
    found = list(bands(lazy, 10))
    assert [len(b) for b in found] == [10, 10, 6]
    assert len(seen) == len(set(seen)) == 8


def test_chunks_over_several_pages_are_computed_once(tmp_path):
    data = counts(6, 40, 50)
    count = []

    def touch(block):
        count.append(block.shape)
        return block

    lazy = da.from_array(data, chunks=(3, 20, 50)).map_blocks(touch, meta=np.empty((0, 0, 0), "u2"))
    found = read_image(write_image(Image(lazy, "ZYX"), tmp_path / "a.tif"))
    np.testing.assert_array_equal(found.data, data)
    assert len(count) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_lazy_image_reads_only_what_is_computed(tmp_path, monkeypatch):
    data = counts(512, 512)
    tifffile.imwrite(tmp_path / "in.tif", data, tile=(64, 64), compression="zlib")
    image = read_image(tmp_path / "in.tif", lazy=True)
    size = (tmp_path / "in.tif").stat().st_size
    with (tmp_path / "in.tif").open("r+b") as file:  # ruin the last tiles, after opening
        file.seek(size - 20000)
        file.write(b"\xff" * 20000)
    np.testing.assert_array_equal(image.data[:64, :64].compute(), data[:64, :64])
    with pytest.raises(ImageError, match=r"in\.tif: the pixels at .* cannot be read"):
        image.data.compute()
