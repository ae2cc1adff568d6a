"""Start the processes of a training on this machine, and collect what they print."""

import os
import re
import socket
import subprocess
import sys
import time


def launch(script, count, devices, *arguments, timeout=300):
    """Run a script in several processes with simulated devices: `script port number *arguments`.

    Returns:
        For each process its exit code, its output with its errors, and the seconds after which it had ended.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    given = re.sub(r"--xla_force_host_platform_device_count=\d+", "", os.environ.get("XLA_FLAGS", ""))
    env = os.environ | {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={devices}"}
    begin = time.monotonic()
    options = {"env": env, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    workers = [
        subprocess.Popen([sys.executable, script, str(port), str(number), *map(str, arguments)], **options)
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
