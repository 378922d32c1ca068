"""One kernel for a large image, estimated on its most telling regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from unblur.engine.intake.layout import Layout
from unblur.engine.steps.sequence import Chain, run_until_kernel
from unblur.engine.tiles.sampling import windows
from unblur.engine.tiles.tiling import Tile, Tiling
from unblur.errors import ImageError, UsageError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import KernelEstimator, Stage
from unblur.numerics.kernel_ops import average_kernels

Read = Callable[[Tile], tuple[torch.Tensor, torch.Tensor | None]]
"""Reads a window: (C, *spatial) with white = 1, and its mask."""

REGIONS = 3
"""How many regions are estimated on and averaged."""

KERNEL_EDGES = 8
"""Edges of the kernel that go into the edge of a region, at least."""


def information(seen: torch.Tensor, mask: torch.Tensor | None, volumetric: bool = False) -> float:
    """Return how much a piece (C, *spatial) can tell of its blur: its gradient energy.

    Averaging 2x2 pixels first keeps noise from counting as texture. Masked pixels count for
    nothing.
    """
    plane = seen.amax(1) if volumetric else seen
    coarse = torch.nn.functional.avg_pool2d(plane, 2) if min(plane.shape[-2:]) > 3 else plane
    energy = coarse.diff(dim=-1)[..., :-1, :].square() + coarse.diff(dim=-2)[..., :-1].square()
    valid = 1.0 if mask is None else float(mask.mean())
    return valid * float(energy.mean())


def region_edge(stages: Sequence[Stage]) -> int:
    """Return the edge of the regions that the kernel step of `stages` is run on, in pixels."""
    estimator = next(stage for stage in stages if isinstance(stage, KernelEstimator))
    size = getattr(estimator.params, "size", 0)
    least = KERNEL_EDGES * size if isinstance(size, int) else 0
    return max(estimator.region, least)


def telling_regions(layout: Layout, edge: int, read: Read, count: int = REGIONS) -> list[Tile]:
    """Return the `count` windows with the most gradient energy, the best first.

    Candidates are spread over the image, so that the choice costs no pass over all of it.
    """
    scored = []
    for window in windows(layout, edge):
        energy = information(*read(window), layout.volumetric)
        if energy > 0:
            scored.append((energy, window.number, window))
    scored.sort(key=lambda entry: (-entry[0], entry[1]))
    return [window for _, _, window in scored[:count]]


def whole_kernel(
    layout: Layout, stages: Sequence[Stage], read: Read, context: Context
) -> tuple[Chain, Tile]:
    """Run the steps up to the kernel on the one block that tells most of its blur."""
    blocks = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))
    best = blocks[0]
    if len(blocks) > 1:
        best = max(blocks, key=lambda block: information(*read(block), layout.volumetric))
    seen, mask = read(best)
    return run_until_kernel(seen, stages, context, mask), best


def regional_kernel(
    layout: Layout, stages: Sequence[Stage], read: Read, context: Context
) -> tuple[Kernel, str]:
    """Return the kernel of a large image, and where it comes from.

    The kernel step runs on each of the most telling regions. A blind kernel may be shifted, so
    each estimate is moved to agree best with the one that agrees best with all; those that
    disagree (correlation below 0.5) are left out and the others averaged.

    Raises
    ------
    ImageError
        If no region has any texture.
    UsageError
        If the kernel step finds kernels that differ from place to place: those of a region are
        about its own middle, not the image's.
    """
    regions = telling_regions(layout, region_edge(stages), read)
    if not regions:
        raise ImageError(
            "no region of the image has any texture, so there is no blur to be found; give the "
            "kernel (psf=... or --psf FILE)."
        )
    found = []
    for region in regions:
        seen, mask = read(region)
        estimate = run_until_kernel(seen, stages, context, mask).estimate
        assert estimate is not None
        if not estimate.field.is_uniform:
            name = next(stage.name for stage in stages if isinstance(stage, KernelEstimator))
            raise UsageError(
                f"kernel '{name}' finds kernels over a whole image, of which this one is too "
                "large; use kernel map or schuler with --set tiles.kernel=local "
                "--set tiles.motion=camera, or a smaller image."
            )
        found.append(estimate.kernel)
    kernel, used = average_kernels(found)
    places = "; ".join(str(regions[i]).removeprefix("tile ") for i in used)
    return kernel, f"mean over {len(used)} of {len(regions)} regions: {places}"
