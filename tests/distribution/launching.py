"""Start the processes of a training on this machine, and collect what they print."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path


def run_page():
    """Run the script in `docs/distribution.md` that is for any number of devices; return its names."""
    page = (Path(__file__).parents[2] / "docs" / "distribution.md").read_text()
    (script,) = re.findall(r"^```python\n(# train\.py\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    names = {"__name__": "train"}
    exec(compile(script, "docs/distribution.md", "exec"), names)
    return names


def slurm(port, number, count):
    """Return the variables that Slurm sets in each process of a job step on this machine."""
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "127.0.0.1,127.0.0.2",  # the first node has process 0
        "SLURM_NTASKS": str(count),
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": "0",
        "JAX_COORDINATOR_PORT": str(port),  # otherwise JAX makes the port from the number of the job
    }


def open_mpi(port, number, count):
    """Return the variables that Open MPI's `mpirun` sets in each process on this machine."""
    return {
        "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://127.0.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": str(count),
        "OMPI_COMM_WORLD_RANK": str(number),
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
        "JAX_COORDINATOR_PORT": str(port),
    }


def keras(port, number, count):
    """Return the variables that Keras and this library know."""
    names = {"JOB_ADDRESSES": f"127.0.0.1:{port}", "NUM_PROCESSES": str(count), "PROCESS_ID": str(number)}
    return {f"KERAS_DISTRIBUTION_{name}": value for name, value in names.items()}


def launch(script, count, devices, *arguments, environment=keras, timeout=300):
    """Run a script in several processes with simulated devices: `script number *arguments`.

    Args:
        script: the path of the script, which finds the other processes by `distribution.initialize()`.
        count: the number of processes.
        devices: the number of devices of each process.
        *arguments: further arguments of the script.
        environment: a function that returns the environment variables of a process, by which the others are found.
        timeout: the seconds that a process may take.

    Returns:
        For each process its exit code, its output with its errors, and the seconds after which it had ended.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    given = re.sub(r"--xla_force_host_platform_device_count=\d+", "", os.environ.get("XLA_FLAGS", ""))
    env = os.environ | {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={devices}"}
    begin = time.monotonic()
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    workers = [
        subprocess.Popen(
            [sys.executable, script, str(number), *map(str, arguments)],
            env=env | environment(port, number, count),
            **options,
        )
        for number in range(count)
    ]
    results = []
    try:
        for worker in workers:
            output = worker.communicate(timeout=timeout)[0]
            results.append((worker.returncode, output, time.monotonic() - begin))
    finally:
        for worker in workers:
            worker.kill()
    return results
