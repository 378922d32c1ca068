import pytest
import torch

from unblur.numerics.fourier import apply_otf, mixed_length, psf_to_otf
from unblur.numerics.partial_blur import PartialBlur, transformed_pixels


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scattered(domain):
    wanted = torch.zeros(domain, dtype=torch.bool)
    wanted[:5] = True  # rows and columns that were not observed
    wanted[:, -4:] = True
    wanted[30, 41] = wanted[50:55, 20:22] = True
    return wanted


@pytest.mark.parametrize("kernel", [(7, 4), (1, 1), (2, 9), (60, 64)])
@pytest.mark.parametrize("domain", [(60, 64), (72, 90)])
def test_it_equals_the_blur_of_the_whole_grid_and_its_adjoint(kernel, domain):
    psf, scene, wanted = drawn(*kernel), drawn(2, *domain, seed=1), scattered(domain)
    blur, otf = PartialBlur(psf, domain), psf_to_otf(psf, domain)
    rectangles = blur.rectangles(wanted, (0, domain[1] - 4), (5, 4))
    found, spread = torch.full_like(scene, torch.nan), torch.zeros_like(scene)
    visits = torch.zeros(1, *domain)
    values = drawn(2, *domain, seed=2) * wanted
    for own in rectangles:
        rows, columns = (a[i] for a, i in zip(own.around, own.inside, strict=True))
        visits[:, rows[:, None], columns] += 1
        found[:, rows[:, None], columns] = blur.forward(scene, own)
        blur.add_adjoint(own.take(values), own, spread)
    assert visits.max() == 1
    assert visits[0][wanted].min() == 1
    expected = apply_otf(scene, otf, 2)
    torch.testing.assert_close(found[:, wanted], expected[:, wanted])
    torch.testing.assert_close(spread, apply_otf(values, otf.conj(), 2))


def test_a_few_pixels_take_small_transforms():
    domain = (400, 500)
    wanted = torch.zeros(domain, dtype=torch.bool)
    wanted[100, 100] = wanted[300:305, 400] = True
    blur = PartialBlur(torch.ones(9, 9), domain)
    assert transformed_pixels(blur.rectangles(wanted, (7, 9))) < 400
    assert blur.rectangles(torch.zeros_like(wanted), (0, 0)) == []


@pytest.mark.parametrize(("least", "length"), [(1, 4), (4, 4), (1818, 1820), (953, 960), (17, 20)])
def test_lengths_of_transforms_have_small_factors_and_4(least, length):
    assert mixed_length(least) == length
