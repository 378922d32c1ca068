"""Formats that plugins add."""

import numpy as np
import PIL.Image
import pytest

from unblur.errors import ImageError, OutputError, PluginError
from unblur.io import partial_path, read_image, split_part, write_image
from unblur.io import save as writing_module
from unblur.io.files import suffix_of
from unblur.model.formats import Reader, Writer
from unblur.model.image import Image
from unblur.plugins.manager import BrokenPlugin, Registry

RNG = np.random.default_rng(17)
IMAGE = Image(RNG.integers(0, 255, (40, 50), dtype=np.uint8), "YX")


class PcxReader(Reader):
    """A format that a plugin might add."""

    name = "pcx"
    suffixes = (".pcx",)

    def read(self, path, *, axes=None, lazy=False):
        with PIL.Image.open(path) as picture:
            return Image(np.array(picture), "YX", source=str(path))


class PcxWriter(Writer):
    """The same, for writing."""

    name = "pcx"
    suffixes = (".pcx",)

    def write(self, image, path):
        PIL.Image.fromarray(image.data).save(path)


@pytest.fixture
def use_registry(monkeypatch):
    """Return a function that puts a registry in the place of the installed one."""

    def use(**content):
        found = Registry(**content)
        monkeypatch.setattr("unblur.plugins.manager.registry", lambda: found)

    return use


def test_plugins_add_formats(tmp_path, use_registry):
    use_registry(readers={"pcx": PcxReader}, writers={"pcx": PcxWriter})
    write_image(IMAGE, tmp_path / "a.pcx")
    np.testing.assert_array_equal(read_image(tmp_path / "a.pcx").data, IMAGE.data)
    (tmp_path / "b.pcx").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"b\.pcx cannot be read as PCX"):
        read_image(tmp_path / "b.pcx")
    store = writing_module.create_store(tmp_path / ".c.pcx", IMAGE)
    store.write((slice(0, 40), slice(0, 50)), IMAGE.data)
    with pytest.raises(AttributeError):  # this writer wants numpy, and dask is what it gets
        store.finish()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "must return an unblur.Image, but returned NoneType"),
        (IMAGE.data, "must return an unblur.Image, but returned ndarray"),
        (Image(IMAGE.data, "YX", metadata={"notes": "one"}), "a tuple of sentences, but states"),
    ],
)
def test_a_reader_that_returns_something_else_is_at_fault(tmp_path, use_registry, returned, words):
    class Odd(PcxReader):
        def read(self, path, *, axes=None, lazy=False):
            return returned

    use_registry(readers={"pcx": Odd})
    (tmp_path / "a.pcx").write_bytes(b"something")
    with pytest.raises(PluginError, match=f"reader 'pcx' .*{words}.*fault of the plugin"):
        read_image(tmp_path / "a.pcx")


class Volume(PcxReader):
    """A format whose suffix has two dots, and whose files hold several images."""

    name = "volume"
    suffixes = (".vol", ".vol.gz")
    has_parts = True

    def read(self, path, *, axes=None, lazy=False):
        file, part = split_part(path)
        return Image(IMAGE.data + int(part or 0), "YX", source=str(file))


def test_a_format_of_a_plugin_may_have_parts_and_a_suffix_of_two_dots(tmp_path, use_registry):
    use_registry(readers={"volume": Volume, "pcx": PcxReader})
    file = tmp_path / "a.b.VOL.gz"
    file.write_bytes(b"volume")
    np.testing.assert_array_equal(read_image(f"{file}[1]").data, IMAGE.data + 1)
    assert partial_path(file).name == ".a.b.partial.VOL.gz"
    assert suffix_of(tmp_path / "a.b.gz") == ".gz"
    (tmp_path / "a.pcx").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="holds a single image; leave out"):
        read_image(tmp_path / "a.pcx[1]")


def test_an_unknown_format_names_the_plugins_that_failed_to_load(tmp_path, use_registry):
    use_registry(broken=[BrokenPlugin("volume", "ImportError: no module named x")])
    (tmp_path / "a.vol").write_bytes(b"volume")
    left_out = r"Left out: plugin 'volume': ImportError: no module named x\.$"
    with pytest.raises(ImageError, match=left_out):
        read_image(tmp_path / "a.vol")
    with pytest.raises(OutputError, match=left_out):
        write_image(IMAGE, tmp_path / "b.vol")
