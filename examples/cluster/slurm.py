"""Deblur a large image on a SLURM cluster: jobs start workers, and workers deblur tiles.

python examples/cluster/slurm.py richardson-lucy mosaic.ome.zarr sharp.ome.zarr psf.tif

Input and output must lie on a disk that every node mounts. Needs `pip install unblur[hpc]`.
"""

from __future__ import annotations

import subprocess
import sys

from dask_jobqueue import SLURMCluster

JOBS = 8
"""Number of SLURM jobs. It sets how many tiles run at once; the result does not depend on it."""


def slurm_cluster(cores: int = 8, memory: str = "32GB", walltime: str = "04:00:00") -> SLURMCluster:
    """Return a cluster whose jobs hold one worker process for each core.

    Each worker deblurs one tile at a time with one torch thread, so that every core has one thread.
    For a GPU in each job, set cores=1 and add "--gres=gpu:1" to `job_extra_directives`: a worker
    deblurs one tile on its GPU at a time.
    """
    return SLURMCluster(
        cores=cores,
        processes=cores,
        memory=memory,
        walltime=walltime,
        job_name="unblur",
        job_script_prologue=["export OMP_NUM_THREADS=1"],
        job_extra_directives=["--no-requeue"],
        worker_extra_args=["--lifetime", "225m", "--lifetime-stagger", "5m"],
        scheduler_options={"dashboard_address": "127.0.0.1:8787"},
    )


def main() -> None:
    """Start the cluster, run the command on it, and pass its exit status on."""
    pipeline, source, output, psf = sys.argv[1:5]
    with slurm_cluster() as cluster:
        cluster.scale(jobs=JOBS)
        command = ["unblur", "run", pipeline, source, "-o", output, "--psf", psf]
        scheduler = ["--scheduler", cluster.scheduler_address, "--resume"]
        sys.exit(subprocess.run([*command, *scheduler], check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
