import pytest
import torch

from unblur.errors import Cancelled, UsageError
from unblur.model.context import Context, Progress, resolve_device


def test_time_left_follows_the_pace_so_far():
    assert Progress("x", 2, 10, 1.0).remaining == 4.0
    assert Progress("x", 0, 10, 1.0).remaining == float("inf")


def test_cancelling_takes_effect_before_the_next_step():
    done = []
    context = Context(is_cancelled=lambda: len(done) >= 3)
    with pytest.raises(Cancelled):
        for step in context.track(range(10), "steps"):
            done.append(step)
    assert done == [0, 1, 2]


def test_the_same_seed_draws_the_same_numbers():
    first, second = (torch.rand(3, generator=Context(seed=7).generator()) for _ in range(2))
    torch.testing.assert_close(first, second)
    other = torch.rand(3, generator=Context(seed=8).generator())
    assert not torch.equal(first, other)


def test_a_generator_of_steps_needs_a_total():
    reports = []
    context = Context(on_progress=reports.append)
    assert list(context.track(iter("ab"), "letters", total=2)) == ["a", "b"]
    assert [r.total for r in reports] == [2, 2]


def test_devices_are_resolved_or_refused_with_what_is_there():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in {"cpu", "cuda", "mps"}
    with pytest.raises(UsageError, match="use .*cpu.* or auto"):
        resolve_device("cuda:99" if not torch.cuda.is_available() else "xpu")
    with pytest.raises(UsageError, match="got 'toaster'"):
        resolve_device("toaster")
