"""Clusters: the job script of the SLURM example, dashboards, TLS, and what needs no cluster."""

import runpy
import subprocess
from pathlib import Path

import dask
import numpy as np
import pytest

from unblur.engine.running.dask_cluster import Cluster
from unblur.engine.running.schedulers import make_scheduler
from unblur.errors import UsageError

EXAMPLE = Path(__file__).parents[3] / "examples" / "cluster" / "slurm.py"

distributed = pytest.importorskip("distributed")


def test_the_names_of_schedulers(tmp_path):
    assert make_scheduler("threads") is None
    for name in ("local", "tcp://10.0.0.1:8786", "tls://head:8786", "scheduler.json"):
        assert isinstance(make_scheduler(name, 3), Cluster)
    with pytest.raises(UsageError, match="a scheduler is threads, local"):
        make_scheduler("slurm")


def test_a_cluster_wants_a_lazy_image(pipeline, box):
    from unblur.engine.job import DeblurJob
    from unblur.engine.tiles.planning import make_plan
    from unblur.engine.tiles.runner import tile_task
    from unblur.model.context import Context
    from unblur.model.image import Image

    image = Image(np.ones((64, 64)), "YX")
    job = DeblurJob.of(image, pipeline("deconvolve:sharpen"), box, Context())
    plan = make_plan(job, job.processor)
    task = tile_task(job, job.processor, plan, None)
    assert job.origin == "given"
    with pytest.raises(UsageError, match="open it lazily"):
        next(iter(Cluster("local", 1).run(lambda: task, plan.tiling)))


def test_the_slurm_example_asks_for_what_it_says():
    pytest.importorskip("dask_jobqueue")
    with runpy.run_path(str(EXAMPLE))["slurm_cluster"](cores=8) as cluster:
        script = cluster.job_script()
    lines = script.splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    for directive in (
        "#SBATCH -J unblur",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --mem=30G",
        "#SBATCH -t 04:00:00",
        "#SBATCH --no-requeue",
        "export OMP_NUM_THREADS=1",
    ):
        assert directive in lines
    assert "distributed.cli.dask_worker" in lines[-1] or "dask worker" in lines[-1]
    assert "--nworkers 8" in lines[-1]
    assert "--nthreads 1" in lines[-1]


@pytest.mark.parametrize("asked", [None, "0", ":0"])
def test_dashboards_stay_on_this_machine(asked):
    scheduler = Cluster("local", 1, dashboard=asked)
    client = scheduler.connect(20)
    try:
        running = scheduler._own.scheduler
        sockets = running.services["dashboard"]._sockets.values()
        assert {sock.getsockname()[0] for sock in sockets} == {"127.0.0.1"}
        assert running.address.startswith("tcp://127.0.0.1:")
    finally:
        client.close()
        scheduler.close()


def test_tls_of_the_configuration_is_used(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=test",
    ]
    command = [*request, "-keyout", str(key), "-out", str(certificate)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("needs openssl")
    role = {"key": str(key), "cert": str(certificate)}
    settings = {
        "distributed.comm.tls.ca-file": str(certificate),
        "distributed.comm.require-encryption": True,
        **{
            f"distributed.comm.tls.{who}.{what}": value
            for who in ("scheduler", "worker", "client")
            for what, value in role.items()
        },
    }
    with dask.config.set(settings):
        security = distributed.Security()
        with distributed.LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tls",
            security=security,
            dashboard_address=None,
            host="127.0.0.1",
        ) as cluster:
            assert cluster.scheduler_address.startswith("tls://")
            scheduler = Cluster(cluster.scheduler_address)
            client = scheduler.connect(20)
            assert client.submit(lambda: 7).result() == 7
            client.close()
