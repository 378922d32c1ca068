"""The fast convolution against the library's in float64, with its derivatives."""

import itertools
import math
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from unblur.accel.convolution import Convolution, layer, tiles, winograd
from unblur.accel.convolution.borders import reflected
from unblur.accel.threads import parallel_spans

pytest.importorskip("numba")


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def threads():
    """Set torch's threads, and set them back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def reference(conv, x):
    """Return what the library computes in float64, from leaves that receive derivatives."""
    x = x.detach().double().requires_grad_()
    weight = conv.weight.detach().double().requires_grad_()
    bias = None if conv.bias is None else conv.bias.detach().double().requires_grad_()
    margin = (conv.padding[0],) * 4
    mode = "reflect" if conv.padding_mode == "reflect" else "constant"
    wide = functional.pad(x, margin, mode=mode) if conv.padding[0] else x
    return functional.conv2d(wide, weight, bias, conv.stride), [x, weight, bias]


def assert_near(ours, theirs):
    torch.testing.assert_close(
        ours.detach().double(), theirs, rtol=0, atol=2e-5 * float(theirs.abs().max())
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    ("mode", "padding"), [("zeros", 0), ("zeros", 1), ("zeros", 2), ("reflect", 1)]
)
@pytest.mark.parametrize("shape", [(61, 77), (60, 80), (57, 58)])
def test_values_and_derivatives_are_those_of_the_library(threads, mode, padding, shape, count):
    threads(count)
    torch.manual_seed(0)
    conv = Convolution(19, 33, 3, padding=padding, padding_mode=mode)
    assert layer.fits_winograd(conv)
    x = drawn(2, 19, *shape).requires_grad_()
    assert_agrees(conv, x, conv(x))


def assert_agrees(conv, x, y):
    change = drawn(*y.shape, seed=1)
    y.backward(change)
    expected, leaves = reference(conv, x)
    expected.backward(change.double())
    assert_near(y, expected.detach())
    for ours, theirs in zip((x, conv.weight, conv.bias), leaves, strict=True):
        assert_near(ours.grad, theirs.grad)


@pytest.mark.parametrize(("mode", "padding"), [("zeros", 1), ("zeros", 2), ("reflect", 1)])
def test_the_uncompiled_loops_agree_with_the_library(monkeypatch, mode, padding):
    for name in ("_load", "_analyse", "_synthesise", "_spread"):
        monkeypatch.setattr(tiles, name, getattr(tiles, name).py_func)
    for name in ("gather", "gather_gradient", "scatter"):
        loops = getattr(tiles, name)
        monkeypatch.setattr(tiles, name, lambda *sizes, loops=loops: loops(*sizes).py_func)
    torch.manual_seed(0)
    conv = Convolution(2, 3, 3, padding=padding, padding_mode=mode)
    border = winograd.Border(padding, mode == "reflect")
    x = drawn(2, 2, 10, 9).requires_grad_()
    assert_agrees(conv, x, winograd.convolve(x, conv.weight, conv.bias, border))
    rectified = winograd.convolve(x, conv.weight, conv.bias, border, rectify=True)
    assert_near(rectified, torch.relu(reference(conv, x)[0].detach()))


def test_the_number_of_threads_changes_no_bit_of_the_result(threads):
    torch.manual_seed(0)
    conv, x = Convolution(16, 20, 3, padding=1), drawn(1, 16, 101, 90)
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(conv(x).detach())
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_map_of_any_memory_order_is_taken():
    torch.manual_seed(0)
    conv = Convolution(16, 16, 3, padding=1, bias=False)
    x = drawn(1, 16, 80, 120)
    expected = conv(x)
    ordered = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(conv(ordered), expected)
    part = drawn(1, 32, 82, 121)
    part[:, ::2, 1:-1, 1:] = x
    torch.testing.assert_close(conv(part[:, ::2, 1:-1, 1:]), expected)


def test_rectified_is_the_relu_with_and_without_derivatives():
    torch.manual_seed(0)
    conv, x = Convolution(16, 24, 3, padding=1), drawn(1, 16, 70, 70)
    expected = torch.relu(conv(x))
    torch.testing.assert_close(conv.rectified(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(conv.rectified(x), expected)


@pytest.mark.parametrize("rectify", [False, True])
def test_what_is_not_finite_stays_to_be_seen(rectify):
    conv, x = Convolution(16, 16, 3, padding=1), drawn(1, 16, 80, 80)
    x[0, 3, 40, 40] = math.nan
    with torch.no_grad():
        y = conv.rectified(x) if rectify else conv(x)
    assert bool(y[0, :, 40, 40].isnan().all())
    assert not bool(y[0, :, 50:, :].isnan().any())


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "stride": 2, "padding_mode": "reflect"},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 1},
        {"kernel_size": 5, "padding": 2},
    ],
)
def test_other_convolutions_are_the_librarys(settings):
    torch.manual_seed(0)
    conv = Convolution(16, 16, **settings)
    assert not layer.fits_winograd(conv)
    plain = nn.Conv2d(16, 16, **settings)
    plain.load_state_dict(conv.state_dict())
    for order in (torch.contiguous_format, torch.channels_last):
        x = drawn(1, 16, 65, 66).contiguous(memory_format=order)
        torch.testing.assert_close(conv(x), plain(x), rtol=1e-5, atol=1e-5)


def test_without_the_compiler_results_are_the_same(monkeypatch):
    torch.manual_seed(0)
    conv = Convolution(16, 16, 3, padding=1, padding_mode="reflect")
    x = drawn(1, 16, 80, 80)
    fast = conv(x)
    monkeypatch.setattr(layer, "has_compiler", lambda: False)
    plain = conv(x)
    assert not torch.equal(fast, plain)
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-4)


def test_reduced_precision_is_left_to_the_library():
    conv, x = Convolution(16, 16, 3, padding=1), drawn(1, 16, 80, 80)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16


def test_a_mirrored_border_is_the_librarys():
    x = drawn(1, 3, 7, 6)
    torch.testing.assert_close(reflected(x), functional.pad(x, (1, 1, 1, 1), mode="reflect"))


def test_spans_are_shared_in_order_and_each_thread_has_its_own_memory(threads):
    threads(3)
    memories = []

    def work(spans, memory):
        memories.append((id(memory), memory.take(0, 8).data_ptr()))
        return spans

    shares = parallel_spans(100, 8, work)
    assert len(shares) == 3
    spans = [span for spans in shares for span in spans]
    assert spans[0] == (0, 8)
    assert spans[-1] == (96, 100)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert len(set(memories)) == 3


def test_an_error_in_a_thread_reaches_the_caller(threads):
    threads(2)

    def work(spans, memory):
        if spans[0][0] > 0:
            raise ValueError("the second")
        return threading.get_ident()

    with pytest.raises(ValueError, match="the second"):
        parallel_spans(100, 10, work)
    assert len(parallel_spans(100, 10, lambda spans, memory: threading.get_ident())) == 2
