import copy
import math

import numpy as np
import pytest
import torch
from PIL import Image

from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.numerics.synthesis import DegradedPair
from unblur.plugins.manager import registry
from unblur.plugins.weights import load_weights
from unblur.testing import synthetic_scene
from unblur.training import train
from unblur.training.images import mean_gradient
from unblur_discriminative.text_pages import text_page
from unblur_discriminative.training import (
    KERNEL_SIZES,
    DiscriminativeTrainer,
    cross_entropy,
    degrade_pair,
    draw_kernel,
    is_correct,
    sharpness,
)
from unblur_discriminative.weights import FOLDER, load_classifier

QUICK = {"crop": 32, "batch": 2, "steps": 2, "validate_every": 2, "text": 0.5}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(5):
        values = 255 * synthetic_scene((200, 180), seed=seed).sharp[0].clamp(0, 1)
        Image.fromarray(values.numpy().astype(np.uint8)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def ready(photos):
    trainer = DiscriminativeTrainer(QUICK)
    trainer.prepare(photos)
    return trainer


def test_it_is_registered():
    assert registry().trainers["discriminative"] is DiscriminativeTrainer


def test_kernels_are_drawn_from_7_to_51_pixels():
    generator = torch.Generator().manual_seed(0)
    sizes = {max(draw_kernel(generator).shape) for _ in range(300)}
    assert (min(sizes), max(sizes)) == (7, 51) == (KERNEL_SIZES[0], KERNEL_SIZES[-1])


def test_a_sample_is_one_crop_blurred_and_sharp(ready):
    pairs = [ready.sample(index) for index in range(40)]
    extents = {pair.sharp.shape[0] for pair in pairs}
    assert all(pair.blurred.shape == pair.sharp.shape for pair in pairs)
    assert 8 == min(extents) < 16 < 24 < max(extents) == 32
    assert {8, 32} <= extents
    assert len(extents) > 8
    busier = sum(mean_gradient(pair.sharp) > mean_gradient(pair.blurred) for pair in pairs)
    assert busier >= 36


def test_sharpness_is_high_of_edges_and_half_of_wide_ramps_at_any_contrast():
    step = (torch.arange(64) // 16 % 2).float().expand(64, 64)
    ramp = torch.linspace(0, 1, 64).expand(64, 64)
    assert 1.5 < sharpness(step) < 2
    assert sharpness(ramp) == pytest.approx(0.5, abs=0.02)
    assert sharpness(0.1 * step) == pytest.approx(sharpness(step))
    assert sharpness(torch.zeros(8, 8)) == 0


def test_crops_out_of_focus_are_drawn_anew(ready):
    soft = torch.linspace(0, 1, 82).expand(82, 82)
    drawn = []

    class Source:
        def draw(self, generator):
            drawn.append(1)
            return soft if len(drawn) < 3 else torch.eye(82)

    trainer = copy.copy(ready)
    trainer.photos = trainer.pages = Source()
    assert sharpness(trainer.sample(3).sharp) > 1.5


def test_a_sample_depends_on_seed_and_index_alone(ready):
    torch.testing.assert_close(ready.sample(7), ready.sample(7), atol=0, rtol=0)
    assert not torch.equal(ready.sample(7).sharp, ready.sample(8).sharp)


def test_noise_is_the_same_in_both_and_gain_clips():
    flat = torch.full((300, 300), 0.6)
    generator = torch.Generator().manual_seed(0)
    kernel = draw_kernel(generator)
    pair = degrade_pair(flat, kernel, 0.01, generator)
    assert [float(x.std()) for x in pair] == pytest.approx([0.01, 0.01], rel=0.05)
    assert not torch.equal(*pair)
    bright = degrade_pair(flat, kernel, 0.0, generator, gain=2.0)
    assert [float(x.max()) for x in bright] == [1.0, 1.0]


def test_the_loss_is_li_eq_3():
    found = torch.tensor([0.3, -1.2], dtype=torch.float64)
    y = [1 / (1 + math.exp(-float(z))) for z in found]
    expected = -(math.log(y[0]) + math.log(1 - y[1])) / 2
    assert float(cross_entropy(found)) == pytest.approx(expected)
    assert is_correct(torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).tolist() == [[1, 0], [0, 1]]


def test_training_writes_weights_that_the_prior_reads(photos, tmp_path):
    outcome = train(DiscriminativeTrainer(QUICK), photos, tmp_path / "own.safetensors", Context())
    assert outcome.finished
    classifier = load_classifier(str(outcome.weights), torch.float32, torch.device("cpu"))
    again = DiscriminativeTrainer(QUICK, begin=outcome.weights).model()
    torch.testing.assert_close(again.state_dict(), classifier.state_dict())


def test_initial_weights_depend_on_the_seed_and_keep_the_global_generator():
    torch.manual_seed(5)
    first, other = (DiscriminativeTrainer(seed=s).model().state_dict() for s in (1, 2))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    torch.testing.assert_close(torch.rand(1), drawn)
    torch.testing.assert_close(DiscriminativeTrainer(seed=1).model().state_dict(), first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_it_learns(photos):
    """The loss on a few repeated pairs falls."""
    trainer = DiscriminativeTrainer(QUICK, begin=FOLDER / "general.safetensors")
    trainer.prepare(photos)
    model = trainer.model()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = sum(trainer.loss(model, index, torch.device("cpu")) for index in range(4)) / 4
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(photos, tmp_path, momentum):
    trainer = DiscriminativeTrainer(QUICK, steps=4, momentum=momentum)
    kind = torch.optim.Adam if momentum is None else torch.optim.SGD
    assert isinstance(trainer.optimiser(trainer.model()), kind)
    whole = train(trainer, photos, tmp_path / "whole.safetensors", Context())
    seen = []
    halfway = Context(on_progress=seen.append, is_cancelled=lambda: len(seen) >= 2)
    assert train(trainer, photos, tmp_path / "parts.safetensors", halfway).step == 2
    parts = train(trainer, photos, tmp_path / "parts.safetensors", Context())
    for outcome in (whole, parts):
        assert outcome.finished
    first, second = (
        load_weights(o.weights.with_suffix(".checkpoint.safetensors")) for o in (whole, parts)
    )
    torch.testing.assert_close(second, first, atol=0, rtol=0)


def test_excluded_pictures_are_never_read(photos, tmp_path):
    names = [f"{n}.png" for n in range(5)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    with pytest.raises(ImageError, match="leaves none"):
        DiscriminativeTrainer(QUICK, exclude=tmp_path / "names.txt").prepare(photos)


def test_pages_are_seeded_and_full_of_edges():
    pages = [text_page(120, 160, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert pages[0].shape == (120, 160)
    assert pages[0].dtype == torch.uint8
    assert torch.equal(pages[0], pages[1])
    assert not torch.equal(pages[0], pages[2])
    assert mean_gradient(pages[0].float() / 255) > 0.02


def test_validation_reports_accuracy_at_each_size(ready):
    class Oracle(torch.nn.Module):
        """Scores of a perfect classifier: the first image of a pair is the blurred one."""

        def forward(self, images):
            return torch.tensor([5.0, -5.0])

    figures = ready.validate(Oracle(), torch.device("cpu"))
    assert {figures[f"accuracy-at-{n}"] for n in (1, 2, 4)} == {100.0}
    assert figures["likelihood"] == pytest.approx(-math.log1p(math.exp(-5.0)), rel=1e-4)
    assert isinstance(ready.validation[0], DegradedPair)
