"""Several processes that train one model together, each with its own devices."""

from __future__ import annotations

import os
from typing import Any

import jax


def initialize(
    job_addresses: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    heartbeat_timeout: int = 100,
    **options: Any,
) -> None:
    """Connect this process with the others, before anything of JAX is used.

    Without arguments, the addresses and numbers are found in the environment, on TPU pods, Slurm and others that
    `jax.distributed.initialize` knows; so are arguments that are left out. They may also be given by the environment
    variables `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `KERAS_DISTRIBUTION_NUM_PROCESSES` and
    `KERAS_DISTRIBUTION_PROCESS_ID`.

    Args:
        job_addresses: the addresses of the processes, separated by commas, or that of process 0: `"10.0.0.1:1234"`.
        num_processes: the number of processes.
        process_id: the number of this process, from 0.
        heartbeat_timeout: the seconds after which the others end when a process has died; 100 by default.
        **options: further arguments of `jax.distributed.initialize`.

    Example:
        >>> import jaxlayers as jl
        >>> jl.distribution.initialize("10.0.0.1:1234", num_processes=2, process_id=0)  # doctest: +SKIP
    """
    environment = {
        name: os.environ.get(f"KERAS_DISTRIBUTION_{name}") for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    }
    job_addresses = job_addresses or environment["JOB_ADDRESSES"]
    number, own = environment["NUM_PROCESSES"], environment["PROCESS_ID"]
    num_processes = int(number) if num_processes is None and number else num_processes
    process_id = int(own) if process_id is None and own else process_id
    if job_addresses and "," in job_addresses:
        addresses = job_addresses.split(",")
        num_processes = len(addresses) if num_processes is None else num_processes
        job_addresses = addresses[0]
    jax.distributed.initialize(
        job_addresses, num_processes, process_id, heartbeat_timeout_seconds=heartbeat_timeout, **options
    )
