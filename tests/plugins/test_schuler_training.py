"""The training: samples, a few steps of either layout, and training from given weights."""

import pytest
import torch
from PIL import Image as Picture

from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur.plugins.weights import load_weights
from unblur.testing import gaussian, synthetic_scene
from unblur.training import train
from unblur_schuler.training.curriculum import Curriculum, curriculum_for
from unblur_schuler.training.trainer import SchulerTrainer
from unblur_schuler.training.training_samples import (
    SIZES,
    TrainingSample,
    draw_kernel,
    draw_size,
    has_edges,
)

QUICK = {"steps": 2, "batch": 1, "warmup": 0, "validate_every": 2, "crop": 64}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with two small pictures of boxes and noise."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(2):
        sharp = synthetic_scene((200, 190), gaussian((3, 3), 0.5), seed=seed).sharp[0]
        grey = (255 * sharp.clamp(0, 1)).byte().numpy()
        Picture.fromarray(grey).save(folder / f"{seed}.png")
    return folder


def test_a_sample_holds_its_blur_and_its_truth():
    generator = torch.Generator().manual_seed(0)
    kernel = draw_kernel(generator)
    x = torch.rand(80, 90, generator=generator)
    example = TrainingSample.of(x, kernel, 0.0, 35, generator)
    torch.testing.assert_close(example.blurred[0, 0], blur_image(x, kernel))
    torch.testing.assert_close(example.sharp[0, 0], crop_valid(x, kernel))
    assert example.size == 35
    assert kernel_similarity(example.kernel[0], kernel) == pytest.approx(1)


def test_kernels_and_sizes_are_odd_and_fit():
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        size = draw_kernel(generator).shape[0]
        estimated = draw_size(size, generator)
        assert size in SIZES
        assert estimated % 2 == 1
        assert size <= estimated <= size + 6


def test_crops_without_edges_are_rejected():
    assert not has_edges(torch.full((50, 50), 0.5))
    stripes = torch.arange(50).remainder(8).div(8).expand(50, 50)
    assert has_edges(stripes)


def test_flat_pictures_are_refused(tmp_path):
    flat = Picture.new("L", (200, 200), 99)
    flat.save(tmp_path / "a.png")
    flat.save(tmp_path / "b.png")
    trainer = SchulerTrainer(QUICK)
    trainer.prepare(tmp_path)
    with pytest.raises(ImageError, match="edges"):
        trainer.sample(0)


def test_the_same_index_gives_the_same_sample(pictures):
    trainer = SchulerTrainer(QUICK)
    trainer.prepare(pictures)
    torch.testing.assert_close(trainer.sample(5).blurred, trainer.sample(5).blurred)
    assert trainer.sample(5).blurred.shape != trainer.sample(6).blurred.shape or not torch.equal(
        trainer.sample(5).blurred, trainer.sample(6).blurred
    )


@pytest.mark.parametrize("layout", ["deep", "paper"])
def test_training_changes_the_weights_and_can_start_from_them(layout, pictures, tmp_path):
    output = tmp_path / "schuler.safetensors"
    trainer = SchulerTrainer({**QUICK, "layout": layout})
    before = {k: v.clone() for k, v in trainer.model().state_dict().items()}
    outcome = train(trainer, pictures, output, Context())
    assert outcome.finished
    after = load_weights(output)
    assert before.keys() == after.keys()
    again = SchulerTrainer({**QUICK, "layout": layout, "begin": str(output)}).model()
    torch.testing.assert_close(again.state_dict(), after)


def test_adadelta_resumes_as_if_it_had_not_been_stopped(pictures, tmp_path):
    trainer = SchulerTrainer({**QUICK, "optimiser": "adadelta", "rate": 1})
    assert isinstance(trainer.optimiser(trainer.model()), torch.optim.Adadelta)
    train(trainer, pictures, tmp_path / "whole.safetensors", Context())
    seen = []
    halfway = Context(on_progress=seen.append, is_cancelled=lambda: len(seen) >= 1)
    assert train(trainer, pictures, tmp_path / "parts.safetensors", halfway).step == 1
    train(trainer, pictures, tmp_path / "parts.safetensors", Context())
    whole, parts = (
        load_weights(tmp_path / f"{name}.checkpoint.safetensors") for name in ("whole", "parts")
    )
    assert any(name.startswith("change.") for name in whole)
    torch.testing.assert_close(parts, whole, atol=0, rtol=0)


def test_the_staged_plan_adds_iteration_after_iteration():
    """As in the paper: alone, then with the earlier ones fixed, then end to end."""
    plan = [
        curriculum_for("staged", index, iterations=2, stage=20)
        for index in (0, 19, 20, 21, 22, 39, 40)
    ]
    alone, held, both = Curriculum(1, 0, True), Curriculum(2, 1, True), Curriculum(2, 0, True)
    assert plan == [alone, alone, held, held, both, both, both]
    assert curriculum_for("end-to-end", 0, iterations=3, stage=20) == Curriculum(3, 0, True)
    assert curriculum_for("by-iteration", 4, iterations=3, stage=20) == Curriculum(2, 1, False)


@pytest.mark.parametrize(
    ("plan", "index", "learning"),
    [
        ("by-iteration", 2, {2}),
        ("staged", 0, {0}),
        ("staged", 1, {1}),
        ("staged", 3, {0, 1, 2}),
        ("end-to-end", 0, {0, 1, 2}),
    ],
)
def test_a_plan_trains_its_iterations_alone(plan, index, learning, pictures):
    """With the paper's layout, where every iteration has weights of its own."""
    trainer = SchulerTrainer({**QUICK, "layout": "paper", "plan": plan, "stage": 1})
    trainer.prepare(pictures)
    model = trainer.model()
    trainer.loss(model, index, torch.device("cpu")).backward()
    next_size = {
        number % model.iterations
        for number, stage in enumerate(model.stages)
        if any(p.grad is not None and bool(p.grad.any()) for p in stage.parameters())
    }
    assert next_size == learning


def test_the_loss_of_one_sample_can_be_reduced(pictures):
    torch.manual_seed(0)
    trainer = SchulerTrainer(QUICK)
    trainer.prepare(pictures)
    model = trainer.model()
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        loss = trainer.loss(model, 0, torch.device("cpu"))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[-2:]) < losses[0]
