"""Readers of the files that microscopes and cameras write.

`microscopes`: MRC, DeltaVision, ND2, CZI, LSM, LIF, OIB; `cameras`: raw, HEIC, SER and XISF.
Packages that only these readers need come with the extras `bio` and `photo`; reading such a file
imports them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.formats import Reader


@hook
def unblur_readers() -> Iterable[type[Reader]]:
    """Register the readers."""
    from unblur_formats.cameras.heif import HeicReader
    from unblur_formats.cameras.raw import RawReader
    from unblur_formats.cameras.ser import SerReader
    from unblur_formats.cameras.xisf import XisfReader
    from unblur_formats.microscopes.leica import LifReader
    from unblur_formats.microscopes.mrc_reader import MrcReader
    from unblur_formats.microscopes.nikon import Nd2Reader
    from unblur_formats.microscopes.olympus import OibReader
    from unblur_formats.microscopes.zeiss import CziReader
    from unblur_formats.microscopes.zeiss_lsm import LsmReader

    return [
        CziReader,
        HeicReader,
        LifReader,
        LsmReader,
        MrcReader,
        Nd2Reader,
        OibReader,
        RawReader,
        SerReader,
        XisfReader,
    ]
