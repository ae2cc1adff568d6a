"""Try hostile files in a process that is watched: `python -m tests.hostile.sandbox <folder>`.

One process loads a good file first, so that everything that loading imports is there. From then on an audit hook
records what a file must not cause: code that is compiled or run, imports, sockets, processes, and files that are opened
outside of the folder. For each case, the program writes a line of JSON with what happened.
"""

import faulthandler
import gc
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import warnings

FORBIDDEN = (
    "import",
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "ctypes.",
    "pty.",
    "shutil.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "marshal.",
    "pickle.",
    "code.__new__",
    "compile",
    "os.link",
    "os.symlink",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.truncate",
)
LINE = "HOSTILE "


class Watch:
    """An audit hook that records the events of one case."""

    def __init__(self, folder: str):
        self.allowed = tuple(os.path.realpath(place) + os.sep for place in (folder, tempfile.gettempdir()))
        self.events: list[str] | None = None
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple) -> None:
        if self.events is None:
            return
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(self.allowed) and path != "/dev/null" and not path.endswith(".py"):
                self.events.append(f"open {path}")
        elif event == "exec" and not arguments[0].co_filename.startswith("<"):
            self.events.append(f"exec {arguments[0].co_filename}")
        elif (event == "compile" and arguments[1] == "<unknown>") or (
            event == "import" and arguments[0] in sys.modules
        ):  # the text of a dtype or of a signature, parsed only
            pass
        elif event.startswith(FORBIDDEN) and not _is_own_folder(event, arguments, self.allowed):
            self.events.append(f"{event} {str(arguments)[:200]}")


def _is_own_folder(event: str, arguments: tuple, allowed: tuple[str, ...]) -> bool:
    """True for an event on a temporary file, which loading may make and remove."""
    is_file_event = event.startswith(("os.remove", "os.rmdir", "shutil.", "os.chmod"))
    return is_file_event and isinstance(arguments[0], str) and os.path.realpath(arguments[0]).startswith(allowed)


def memory(field: str) -> float:
    """Return a figure of this process in MB: VmRSS or VmHWM; the peak is reset before each case."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def reset_peak() -> None:
    """Let the peak of the memory start from now."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def run(watch: Watch, name: str, action) -> dict:
    """Run one case, and return what happened."""
    reset_peak()
    before = memory("VmRSS")
    outcome, message = "no error", ""
    start = time.perf_counter()
    watch.events = events = []
    signal.alarm(20)
    faulthandler.dump_traceback_later(40, exit=True)
    try:
        action()
    except BaseException as error:
        outcome, message = type(error).__name__, str(error)
    signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()
    watch.events = None
    seconds = time.perf_counter() - start
    peak = memory("VmHWM") - before
    return {
        "name": name,
        "outcome": outcome,
        "message": message[:3000],
        "events": events[:5],
        "seconds": seconds,
        "peak": peak,
    }


def _stop(*_: object) -> None:
    raise TimeoutError("This case took 20 seconds.")


def main(folder: str) -> None:
    """Make the files of all cases, try them, and write the results."""
    warnings.simplefilter("ignore")
    from tests.hostile import cases

    sys.path_importer_cache.clear()
    found = cases.all_cases(folder)
    cases.warm_up(folder)
    limit = int(memory("VmSize") + 8192) << 20  # an allocation that is never touched is an error as well
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    gc.collect()
    gc.freeze()  # so that the collection before each case is quick
    watch = Watch(folder)
    signal.signal(signal.SIGALRM, _stop)
    only = os.environ.get("HOSTILE_ONLY", "")
    for name, action in found:
        if re.search(only, name):
            print(LINE + json.dumps({"starts": name}), flush=True)
            print(LINE + json.dumps(run(watch, name, action)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
