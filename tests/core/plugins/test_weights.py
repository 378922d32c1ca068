import pickle
import resource
import time
import tracemalloc

import pytest
import torch

from unblur.errors import WeightsError
from unblur.plugins.weights import (
    MAX_HEADER_BYTES,
    file_sha256,
    find_weights,
    load_metadata,
    load_weights,
    save_weights,
)


def test_weights_return_as_they_went(tmp_path):
    path = tmp_path / "deep" / "model.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}
    sha256 = save_weights(tensors, path, {"step": "7"})
    found = load_weights(path, sha256)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], tensor)
    assert load_metadata(path) == {"step": "7"}
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_tensors_in_any_memory_order_are_saved(tmp_path):
    tensor = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    save_weights({"w": tensor}, tmp_path / "w.safetensors")
    torch.testing.assert_close(load_weights(tmp_path / "w.safetensors")["w"], tensor)


def test_altered_weights_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    sha256 = save_weights({"a": torch.zeros(3)}, path)
    save_weights({"a": torch.ones(3)}, path)
    with pytest.raises(WeightsError, match="was altered"):
        load_weights(path, sha256)
    assert load_weights(path, file_sha256(path))["a"].sum() == 3


@pytest.mark.parametrize("name", ["model.pt", "model.ckpt", "model.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_by_name_and_by_content(tmp_path, name, zipped):
    path = tmp_path / name
    torch.save({"a": torch.zeros(1)}, path) if zipped else path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="pickle"):
        load_weights(path)


def test_a_cut_off_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-40])
    for read in (load_weights, load_metadata):
        with pytest.raises(WeightsError, match="not a whole"):
            read(path)


@pytest.mark.parametrize("stated", [MAX_HEADER_BYTES + 1, 5 * 10**8, 2**60])
@pytest.mark.parametrize("read", [load_weights, load_metadata])
def test_a_huge_header_is_refused_without_its_time_and_memory(tmp_path, read, stated):
    """The file is as long as it states, up to 1 GB, and takes no room on the disk."""
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(stated.to_bytes(8, "little") + b"{")
        file.truncate(10**9)
    tracemalloc.start()
    before, began = resident_memory_peak(), time.process_time()
    try:
        with pytest.raises(WeightsError, match=f"header.* {stated} bytes") as refused:
            read(path)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(refused.value)
    assert time.process_time() - began < 0.5
    assert taken < 10**6
    assert resident_memory_peak() - before < 10**7


def resident_memory_peak() -> int:
    """Return the largest resident memory of the process so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match="there is no weights file"):
        load_weights(tmp_path / "none.safetensors")


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the format's writer raises
        save_weights({"a": torch.zeros(2, dtype=torch.complex32)}, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_named_or_a_file_of_ones_own(tmp_path):
    shipped = {"gaussian": "abc"}
    assert find_weights("gaussian", tmp_path, shipped, "toy") == (
        tmp_path / "gaussian.safetensors",
        "abc",
    )
    own = tmp_path / "own.safetensors"
    assert find_weights(str(own), tmp_path, shipped, "toy") == (own, None)
    with pytest.raises(WeightsError, match="no set of toy weights 'gausian'.*gaussian"):
        find_weights("gausian", tmp_path, shipped, "toy")


def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path):
    """Its first byte is that of a pickle where the header's length is 128 modulo 256."""
    path = tmp_path / "w.safetensors"
    firsts = set()
    for padding in range(0, 256, 8):
        save_weights({"w": torch.ones(2)}, path, {"note": "x" * padding})
        firsts.add(path.read_bytes()[0])
        assert load_metadata(path) == {"note": "x" * padding}
    assert 0x80 in firsts
