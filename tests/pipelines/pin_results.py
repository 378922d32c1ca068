"""Compute the pinned results, and write them down anew.

    python tests/pipelines/pin_results.py            every case
    python tests/pipelines/pin_results.py NAME ...   these cases alone
    python tests/pipelines/pin_results.py --serve    names on stdin, results on stdout, as JSON

The first two write `pinned_results.json` and print which cases changed, in what. They are for a
change of results that is meant; say in the commit why. If the machine or the versions differ from
those that the file names, all cases have to be pinned anew: hashes of two machines do not mix.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STORE = HERE / "pinned_results.json"

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "CUDA_VISIBLE_DEVICES": "",
}
"""One thread and the instructions of AVX2: what results depend on in their last bits."""

PACKAGES = ("torch", "numpy", "scipy", "numba", "llvmlite", "dask", "photutils")
"""Packages whose version may change the last bits."""

BLOCKS = 4
"""Parts along rows and columns whose means are stored."""


def machine() -> dict[str, Any]:
    """Return what has to be the same for equal hashes: processor and versions."""
    return {
        "processor": _processor(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": {name: _version(name) for name in PACKAGES},
        "environment": ENVIRONMENT,
    }


def worker() -> subprocess.Popen[str]:
    """Return a process of the fixed environment that serves results; see `ask`."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ENVIRONMENT},
    )


def ask(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """Return the result of the case `name` from a `worker`."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{name}: the process that computes results ended with {process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    if "crash" in answer:
        raise RuntimeError(f"{name}:\n{answer['crash']}")
    return answer


def compute(name: str) -> dict[str, Any]:
    """Return what is stored of the case `name`; call it in the fixed environment.

    Either "image" and "kernel", each with "sha256" and "summary" ("kernel" is None where there is
    none), or "error" with the type and the first words of the message.
    """
    from pinned_cases import CASES

    import unblur

    case = CASES[name]
    try:
        image, axes, kernels = _command(case) if case.feed == "command" else _call(case)
    except unblur.UnblurError as error:
        return {"error": [type(error).__name__, " ".join(str(error).split()[:4])]}
    entry: dict[str, Any] = {"image": _stored(image, axes), "kernel": None}
    if kernels is not None:
        entry["kernel"] = _stored(kernels, "." * (kernels.ndim - 2) + "YX")
    return entry


def _call(case: Any) -> tuple[Any, str, Any]:
    """Run a case through `unblur.deblur`: image, its axes, and kernels."""
    from pinned_images import IMAGES, KERNELS

    import unblur

    make, axes = IMAGES[case.image]
    image = make()
    psf = None
    if case.psf == "field":
        psf = _field(image.shape[:2])
    elif case.psf is not None:
        psf = KERNELS[case.psf]()
    if case.feed == "dask":
        import dask.array

        chunks = tuple(40 if axis in "YX" else n for axis, n in zip(axes, image.shape, strict=True))
        image = dask.array.from_array(image, chunks=chunks)
    pipeline = case.pipeline
    if not isinstance(pipeline, str):
        pipeline = unblur.Pipeline.model_validate(pipeline)
    result = unblur.deblur(
        image, pipeline, psf, axes=axes, device="cpu", **case.options, **case.settings
    )
    kernels = None if result.kernel is None else _weights(result.kernel)
    # Chunks one after another: a pool of threads would not change the values, only the load.
    output = result.image
    if case.feed == "dask":
        output = output.compute(scheduler="synchronous")
    return output, axes, kernels


def _command(case: Any) -> tuple[Any, str, Any]:
    """Run a case through `unblur run`, TIFF to TIFF: image, its axes, and kernel."""
    import numpy as np
    import tifffile
    from pinned_images import IMAGES, KERNELS

    import unblur

    make, axes = IMAGES[case.image]
    image = make()
    with tempfile.TemporaryDirectory() as folder:
        before, after, psf = (Path(folder) / f"{name}.tif" for name in ("before", "after", "psf"))
        if "C" in axes:
            tifffile.imwrite(before, image, photometric="rgb")
        else:
            tifffile.imwrite(before, image, metadata={"axes": axes})
        command = [sys.executable, "-m", "unblur", "run", case.pipeline, str(before)]
        command += ["-o", str(after), "--device", "cpu", "--quiet"]
        if case.psf is not None:
            tifffile.imwrite(psf, KERNELS[case.psf]().astype(np.float32))
            command += ["--psf", str(psf)]
        for key, value in case.settings.items():
            command += ["--set", f"{key}={value}"]
        for key, value in case.options.items():
            command += [f"--{key}", str(value)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        report = json.loads(after.with_suffix(".json").read_text())
        assert report["input"]["shape"], report
        written = unblur.read_image(after)
        kernels = _weights(unblur.read_kernel(after.with_suffix(".psf.tif")))
        return np.asarray(written.data), written.axes, kernels


def _weights(field: Any) -> Any:
    """Return all kernels of a field, (rows, columns, *kernel)."""
    import numpy as np

    return np.stack([[kernel.weights for kernel in row] for row in field.kernels])


def _field(shape: tuple[int, ...]) -> Any:
    """Return a field of 2 x 2 kernels, each the shake turned otherwise."""
    from pinned_images import shake

    import unblur

    one = shake()
    turned = [[one, one[::-1]], [one[:, ::-1], one[::-1, ::-1]]]
    kernels = tuple(tuple(unblur.Kernel(weights.copy()) for weights in row) for row in turned)
    rows, columns = ((0.25 * n, 0.75 * n) for n in shape)
    return unblur.KernelField(kernels, rows, columns)


def _stored(values: Any, axes: str) -> dict[str, Any]:
    """Return hash and summary of an array; blocks are cut along its axes Y and X."""
    import numpy as np

    values = np.ascontiguousarray(values)
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    digest.update(values.tobytes())
    plane = np.moveaxis(values.astype(float), (axes.index("Y"), axes.index("X")), (-2, -1))
    blocks = [
        _mean(part)
        for band in np.array_split(plane, BLOCKS, axis=-2)
        for part in np.array_split(band, BLOCKS, axis=-1)
    ]
    return {
        "sha256": digest.hexdigest(),
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "summary": {"mean": _mean(plane), "std": _round(np.nanstd(plane)), "blocks": blocks},
    }


def _mean(values: Any) -> float | None:
    import numpy as np

    finite = values[np.isfinite(values)]
    return _round(finite.mean()) if finite.size else None


def _round(value: Any) -> float:
    return float(f"{float(value):.8g}")


def _processor() -> dict[str, Any]:
    """Return vendor, family, model and the vector instructions that matter."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {"vendor": platform.processor(), "family": platform.machine()}
    lines = (line.partition(":") for line in path.read_text().split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    return {
        "vendor": facts.get("vendor_id", platform.machine()),
        "family": facts.get("cpu family", ""),
        "model": facts.get("model", ""),
        "flags": sorted({"avx2", "fma", "avx512f"} & set(facts.get("flags", "").split())),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def serve(names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the result of each name, or the traceback of a crash."""
    import traceback

    for name in names:
        began = time.process_time()
        try:
            yield {**compute(name), "seconds": time.process_time() - began}
        except Exception:
            yield {"crash": traceback.format_exc()}


def differing(pinned: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return which of "image", "kernel" and "error" are not equal bit for bit."""

    def key(entry: dict[str, Any], part: str) -> Any:
        value = entry.get(part)
        return value["sha256"] if isinstance(value, dict) else value

    parts = ("error", "image", "kernel")
    return [part for part in parts if key(pinned, part) != key(found, part)]


def main(names: list[str]) -> None:
    """Pin the cases of these names, or all of them."""
    from pinned_cases import CASES

    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)}")
    store = json.loads(STORE.read_text()) if STORE.exists() else {"machine": None, "results": {}}
    if names and store["machine"] != machine():
        sys.exit("processor or versions are not those of the pinned results: pin all of them")
    old = store["results"]
    new = {name: entry for name, entry in old.items() if name in CASES} if names else {}
    process = worker()
    for name in names or CASES:
        new[name] = ask(process, name)
        seconds = new[name].pop("seconds")
        changed = differing(old[name], new[name]) if name in old else ["new"]
        what = " ".join(new[name]["error"]) if "error" in new[name] else ""
        print(f"{name:45} {seconds:6.2f} s  {', '.join(changed)} {what}", flush=True)  # noqa: T201
    process.stdin.close()
    lines = [f'  "{name}": {json.dumps(new[name])}' for name in CASES]
    text = f'{{"machine": {json.dumps(machine(), indent=1)},\n"results": {{\n'
    STORE.write_text(text + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        # What a library prints must not get between the results.
        results, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
        os.dup2(2, 1)
        for answer in serve(line.strip() for line in sys.stdin):
            results.write(json.dumps(answer) + "\n")
            results.flush()
    else:
        main(sys.argv[1:])
