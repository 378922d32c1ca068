"""Landweber's deconvolution as a plugin."""

from pathlib import Path

from pydantic import Field

from unblur.model.stages import Deconvolver, Params
from unblur.numerics.operators import Blur
from unblur.plugins.markers import hook


class Landweber(Deconvolver):
    """Minimise `|M(k * x) - y|^2 / 2` by gradient descent; few steps amplify the noise less.

    References
    ----------
    L. Landweber, "An iteration formula for Fredholm integral equations of the first kind",
    Am. J. Math. 73(3), 1951.
    """

    name = "landweber"
    summary = "Gradient descent on the data term; fewer steps give a smoother result."
    dimensions = frozenset({2, 3})

    class Params(Params):
        """Settings of `landweber`."""

        steps: int = Field(20, ge=1, le=1000, description="Number of gradient steps.")

    def deconvolve(self, blurred, kernel, context, mask=None):
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        coverage = blur.adjoint(blurred.new_ones(blurred.shape[1:])).clamp_min(1e-3)
        x = blur.adjoint(blurred) / coverage
        for _ in context.track(range(self.params.steps), self.name):
            x = x + blur.adjoint(blurred - blur.forward(x))
        return blur.crop(x)

    def halo(self, kernel):
        return tuple(6 * n for n in kernel.shape)


@hook
def unblur_stages():
    return [Landweber]


@hook
def unblur_pipelines():
    return [Path(__file__).with_name("landweber.yaml")]
