"""Hostile files are refused with an error that names them, and cause nothing else; see `hostile.sandbox`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.sandbox import LINE

_ROOT = Path(__file__).parents[1]
_SECONDS, _MEGABYTES = 10, 50  # the time leaves room for a slow machine; most cases take a few milliseconds


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is read from /proc")
@pytest.mark.parametrize("kind", ["configs", "zips hdf5", "weights exports"])
def test_hostile_files_are_refused_and_cause_nothing(kind, tmp_path):
    # Compiled programs are not kept: their files would be files outside.
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "HOSTILE_KINDS": kind, "JAX_ENABLE_COMPILATION_CACHE": "0"}
    command = [sys.executable, "-m", "tests.hostile.sandbox", str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, timeout=300)
    results = [json.loads(line.removeprefix(LINE)) for line in done.stdout.splitlines() if line.startswith(LINE)]
    finished = [result for result in results if "outcome" in result]
    assert done.returncode == 0, (results[-1:], done.stderr[-2000:])
    assert len(finished) > 50
    problems = [text for result in finished if (text := _problem(result, str(tmp_path)))]
    assert not problems, "\n".join(problems)


def _problem(result, folder):
    if result["outcome"] not in ("ValueError", "UnknownNameError") or result["events"]:
        return f"{result['name']}: {result['outcome']}, {result['message'][:300]}, {result['events']}"
    if result["name"].startswith("file") and folder not in result["message"]:
        return f"{result['name']}: the message does not name the file: {result['message'][:300]}"
    if result["seconds"] > _SECONDS or result["peak"] > _MEGABYTES:
        return f"{result['name']}: {result['seconds']:.1f} s, {result['peak']:.0f} MB"
    return ""


def test_a_file_that_is_not_refused_is_noticed(tmp_path):
    """The watch itself works: code that opens, imports or runs something is seen."""
    code = (
        "import sys\nfrom tests.hostile import sandbox\n"
        f"watch = sandbox.Watch({str(tmp_path)!r})\n"
        "actions = {'open': lambda: open('/etc/hostname'), 'import': lambda: __import__('this_module_is_nowhere'),\n"
        "           'exec': lambda: exec(compile('1', 'foreign', 'exec')),\n"
        "           'run': lambda: __import__('os').system('true')}\n"
        "print([name for name, action in actions.items() if not sandbox.run(watch, name, action)['events']])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
