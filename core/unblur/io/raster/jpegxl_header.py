"""Header of a JPEG XL codestream (ISO/IEC 18181-1, annex D): size, bit depth, alpha, colours."""

from __future__ import annotations

from dataclasses import dataclass

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_SRGB, _GREY = 0, 1
_D65, _CUSTOM, _SRGB_TRANSFER = 1, 2, 13
_ALPHA, _SPOT, _MOSAIC = 0, 2, 5


@dataclass
class JpegXlHeader:
    """What the header states.

    Attributes
    ----------
    columns, rows : int
        Extents before the orientation is applied, in pixels.
    bits : int
        Bits of a value.
    is_float : bool
        Whether values are floats.
    is_animation : bool
        Whether there may be several frames.
    colours : int
        Number of colour channels, 1 or 3.
    extra : tuple of int
        Types of the channels beside the colours, 0 for alpha.
    has_associated_alpha : bool
        Whether colours are multiplied by alpha.
    is_srgb : bool
        Whether colours are sRGB or grey with its transfer function; not with an ICC profile.
    is_lossy : bool
        Whether colours are stored as XYB, for a viewer.
    end : int
        Place of the first bit behind the colours.
    """

    columns: int
    rows: int
    bits: int = 8
    is_float: bool = False
    is_animation: bool = False
    colours: int = 3
    extra: tuple[int, ...] = ()
    has_associated_alpha: bool = False
    is_srgb: bool = True
    is_lossy: bool = True
    end: int = 0


class _Bits:
    """Bits of a byte string, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "little")
        self.place, self.length = 0, 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits as a number; raise `ValueError` behind the end."""
        if self.place + count > self.length:
            raise ValueError("its header is incomplete")
        found = (self.value >> self.place) & ((1 << count) - 1)
        self.place += count
        return found

    def choose(self, choices: tuple[tuple[int, int], ...]) -> int:
        """Return a number of one of four lengths: bits and what is added to them."""
        count, added = choices[self.take(2)]
        return self.take(count) + added


def read_header(codestream: bytes) -> JpegXlHeader:
    """Return what the header of a codestream states; raise `ValueError` if it is damaged."""
    bits = _Bits(codestream[2:4098])
    columns, rows = _size(bits)
    header = JpegXlHeader(columns, rows)
    if not bits.take(1):
        _read_metadata(bits, header)
    header.end = bits.place
    return header


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if is_small else bits.choose(_SIZES)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return rows * across // down, rows
    return (8 * (bits.take(5) + 1) if is_small else bits.choose(_SIZES)), rows


def _read_metadata(bits: _Bits, header: JpegXlHeader) -> None:
    if bits.take(1):
        bits.take(3)  # the orientation, which the decoder applies
        if bits.take(1):
            _size(bits)
        if bits.take(1):
            _skip_preview(bits)
        header.is_animation = bool(bits.take(1))
        if header.is_animation:
            bits.choose(((0, 100), (0, 1000), (10, 1), (30, 1)))
            bits.choose(((0, 1), (0, 1001), (8, 1), (10, 1)))
            bits.choose(((0, 0), (3, 0), (16, 0), (32, 0)))
            bits.take(1)
    header.bits, header.is_float = _depth(bits)
    bits.take(1)
    count = bits.choose(((0, 0), (0, 1), (4, 2), (12, 1)))
    header.extra = tuple(_extra_channel(bits, header) for _ in range(count))
    header.is_lossy = bool(bits.take(1))
    header.is_srgb = _is_srgb(bits, header)


def _skip_preview(bits: _Bits) -> None:
    by_eight = bits.take(1)
    choices = ((0, 16), (0, 32), (5, 1), (9, 33)) if by_eight else ((6, 1), (8, 65), (10, 321),
                                                                    (12, 1345))  # fmt: skip
    bits.choose(choices)
    if not bits.take(3):
        bits.choose(choices)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if bits.take(1):
        found = bits.choose(((0, 32), (0, 16), (0, 24), (6, 1)))
        bits.take(4)
        return found, True
    return bits.choose(((0, 8), (0, 10), (0, 12), (6, 1))), False


def _extra_channel(bits: _Bits, header: JpegXlHeader) -> int:
    if bits.take(1):
        return _ALPHA
    kind = bits.choose(_ENUM)
    _depth(bits)
    bits.choose(((0, 0), (0, 3), (0, 4), (3, 1)))
    bits.take(8 * bits.choose(((0, 0), (4, 0), (5, 16), (10, 48))))
    if kind == _ALPHA:
        header.has_associated_alpha |= bool(bits.take(1))
    elif kind == _SPOT:
        bits.take(64)
    elif kind == _MOSAIC:
        bits.choose(((0, 1), (2, 0), (4, 3), (8, 19)))
    return kind


def _is_srgb(bits: _Bits, header: JpegXlHeader) -> bool:
    """Return whether the colour encoding is that of sRGB, or grey with its transfer function."""
    if bits.take(1):
        return True
    has_profile, space = bits.take(1), bits.choose(_ENUM)
    header.colours = 1 if space == _GREY else 3
    if has_profile or space not in (_SRGB, _GREY):
        return False
    white = bits.choose(_ENUM)
    if white == _CUSTOM:
        _skip_points(bits, 1)
    primaries = bits.choose(_ENUM) if space == _SRGB else _D65
    if primaries == _CUSTOM:
        _skip_points(bits, 3)
    has_gamma = bits.take(1)
    transfer = bits.take(24) if has_gamma else bits.choose(_ENUM)
    bits.choose(_ENUM)
    return (white, primaries, has_gamma, transfer) == (_D65, _D65, 0, _SRGB_TRANSFER)


def _skip_points(bits: _Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.choose(((19, 0), (19, 524288), (20, 1048576), (21, 2097152)))
