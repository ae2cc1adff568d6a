"""Several processes that train one model together, each with its own devices."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from types import TracebackType
from typing import Any

import jax

from jaxlayers.checkpoint import failures

_failure: BaseException | None = None  # the exception that has ended the main thread


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

    A process that dies ends the others, at the latest `heartbeat_timeout` seconds and a few more later. Their error
    lists the numbers of the dead as "unhealthy tasks"; it says "leader task" for process 0, whose end they notice at
    once. They exit with SIGABRT. A process whose script an exception has ended counts as dead once its traceback is
    printed, and exits with the code 1. If the script handles an error of `fit`, `evaluate`, `predict` or
    `checkpoint.save` that the other processes do not have within `heartbeat_timeout` seconds, the process ends as well:
    it is no longer in step with them. Start all processes again to go on from the last checkpoint
    (`BackupAndRestore`).

    SIGTERM to one process ends `fit` in all of them after the same step; `BackupAndRestore` saves the state first. JAX
    looks for the signal once a second. A signal that it notices when `fit` has ended, ends the next `fit` of all.

    Args:
        job_addresses: the addresses of the processes, separated by commas, or that of process 0: `"10.0.0.1:1234"`.
        num_processes: the number of processes.
        process_id: the number of this process, from 0.
        heartbeat_timeout: the seconds after which the others end when a process has died; 100 by default.
        **options: further arguments of `jax.distributed.initialize`.

    Raises:
        ValueError: when an argument is out of range, an environment variable is no number, or something is neither
            given nor found in the environment.
        RuntimeError: when JAX has been used before, or another process cannot be reached.

    Example:
        >>> import jaxlayers as jl
        >>> jl.distribution.initialize("10.0.0.1:1234", num_processes=2, process_id=0)  # doctest: +SKIP
    """
    job_addresses = job_addresses or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES")
    num_processes = _number_in_environment("NUM_PROCESSES") if num_processes is None else num_processes
    process_id = _number_in_environment("PROCESS_ID") if process_id is None else process_id
    if job_addresses and "," in job_addresses:
        addresses = job_addresses.split(",")
        num_processes = len(addresses) if num_processes is None else num_processes
        if num_processes != len(addresses):
            raise ValueError(
                f"initialize: job_addresses has {len(addresses)} addresses, but num_processes is {num_processes}. Pass "
                "one address for each process, or that of process 0 alone."
            )
        job_addresses = addresses[0]
    if heartbeat_timeout < 1:
        raise ValueError(f"initialize: heartbeat_timeout must be at least 1 second; received {heartbeat_timeout}.")
    if process_id is not None and num_processes is not None and not 0 <= process_id < num_processes:
        raise ValueError(
            f"initialize: process_id must be from 0 to num_processes - 1 = {num_processes - 1}; received {process_id}."
        )
    jax.distributed.initialize(
        job_addresses, num_processes, process_id, heartbeat_timeout_seconds=heartbeat_timeout, **options
    )
    failures.set_timeout(heartbeat_timeout)
    _end_after_exceptions(heartbeat_timeout)


def _number_in_environment(name: str) -> int | None:
    """Return a number in the environment; None if the variable is not set."""
    text = os.environ.get(f"KERAS_DISTRIBUTION_{name}")
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(
            f"initialize: the environment variable KERAS_DISTRIBUTION_{name} must be an integer; received {text!r}."
        ) from error


def _end_after_exceptions(heartbeat_timeout: int) -> None:
    """Let an exception that ends this process end it without waiting for the others.

    JAX waits at the exit of each process until all have come there, for 300 seconds by default. The others would wait
    for this process as long in their next step.
    """
    previous = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        global _failure
        _failure = error
        previous(kind, error, traceback)

    sys.excepthook = note
    atexit.register(_end_if_failed, heartbeat_timeout)  # runs before the function of JAX, which was registered earlier


def _end_if_failed(heartbeat_timeout: int) -> None:
    """End this process if an exception has ended its main thread."""
    if _failure is None:
        failures.wait_until_known()  # an error that the script has handled
        return
    logging.shutdown()
    number = jax.process_index()
    if failures.is_of_devices(_failure):
        # A collective has failed. JAX ends this process, with the numbers of the dead, as soon as it knows them.
        print(
            f"Process {number}: the connection with another process was lost. The processes that have died are listed "
            f'below as "unhealthy tasks" within {heartbeat_timeout} seconds; "leader task" is process 0.',
            file=sys.stderr,
            flush=True,
        )
        sys.stdout.flush()
        time.sleep(heartbeat_timeout + failures.LATE)
    print(f"Process {number} has failed: it ends now, and so will the others.", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
