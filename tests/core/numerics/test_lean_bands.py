import torch

from unblur.numerics import border_bands
from unblur.numerics.boundaries import solve_unobserved
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur
from unblur.testing import gaussian


def test_lean_bands_keep_no_factors_and_find_the_same(monkeypatch):
    monkeypatch.setattr(border_bands, "LEAN_VALUES", 200)  # several blocks
    made = []
    factorise = border_bands._Band._factorise
    monkeypatch.setattr(
        border_bands._Band,
        "_factorise",
        staticmethod(lambda *given: made.append(given) or factorise(*given)),
    )
    y = torch.rand(1, 60, 71, generator=torch.Generator().manual_seed(0))
    blur = Blur(gaussian((5, 4), 1.0).tensor(), y.shape[1:])
    wiener = WienerFilter.of(blur.otf, blur.domain, 0.01)
    plain = solve_unobserved(blur, y, wiener)
    count = len(made)
    lean = solve_unobserved(blur, y, wiener, is_lean=True)
    assert len(made) > 3 * count
    torch.testing.assert_close(lean, plain, atol=1e-6, rtol=0)
