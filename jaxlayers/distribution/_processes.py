"""Several processes that train one model together, each with its own devices."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from types import TracebackType
from typing import Any

import jax

_failed = False  # True once an exception has ended the main thread


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

    A process that dies ends the others. They notice at the latest after `heartbeat_timeout` seconds, print an error
    that lists the numbers of the processes that have died, and exit with SIGABRT (code -6 or 134). If process 0 has
    died, they notice at once, and the error says that the leader, "task 0", is gone. A process that an exception has
    ended counts as dead as soon as its traceback is printed. Start all of them again to go on from the last checkpoint
    (`BackupAndRestore`).

    SIGTERM to one process ends `fit` in all of them after the same step; `BackupAndRestore` saves the state first.

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
    _end_at_once_after_exceptions()


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


def _end_at_once_after_exceptions() -> None:
    """Let an exception that ends this process end it without waiting for the others.

    JAX waits at the exit of each process until all have come there, for 300 seconds by default. The others would wait
    for this process as long in their next step.
    """
    previous = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        global _failed
        _failed = True
        previous(kind, error, traceback)

    sys.excepthook = note
    atexit.register(_end_if_failed)  # runs before the function of JAX, which was registered earlier


def _end_if_failed() -> None:
    if not _failed:
        return
    logging.shutdown()
    print(f"Process {jax.process_index()} has failed: the other processes will end.", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
