"""Where the files of data sets are looked for, and how they are downloaded.

In order: the folder named by the environment variable `JAXLAYERS_DATA`; the cache of pooch; the network, into that
cache, with known hashes. A missing network is noticed in seconds: all sources are asked at once whether they are
there, and only what answers in time is downloaded from.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PATIENCE = 4.0  # seconds for a source to answer at all
STALLED = 20.0  # seconds without a byte until a download that has begun is given up


def data_folder() -> Path | None:
    """The folder named by `JAXLAYERS_DATA`, or None."""
    named = os.environ.get("JAXLAYERS_DATA")
    return Path(named).expanduser() if named else None


def cache_folder(dataset: str) -> Path:
    """Where the downloaded files of a data set are kept."""
    import pooch

    return Path(pooch.os_cache("jaxlayers")) / dataset


def fetch(files: dict[str, str], sources: Sequence[str], folder: Path, patience: float = PATIENCE) -> list[Path]:
    """The paths of files with known hashes, after downloading those that are not in a folder yet.

    Args:
        files: names and their SHA-256 hashes.
        sources: addresses that a name is appended to; any of them will do.
        folder: where the files are, or will be. A file with another hash is replaced.
        patience: seconds until a source that has not answered counts as not there.

    Raises:
        ConnectionError: when no source gives files with these hashes; the message says what was tried.
    """
    import pooch

    paths = [folder / name for name in files]
    wrong = [path for path in paths if not path.is_file() or pooch.file_hash(path) != files[path.name]]
    if not wrong:
        return paths
    failures = dict.fromkeys(sources, f"no answer within {patience:g} s")
    downloader = pooch.HTTPDownloader(timeout=(patience, STALLED), chunk_size=1 << 16)
    for source, refusal in _answers(sources, wrong[0].name, patience):
        try:
            if refusal is not None:
                raise refusal
            for path in wrong:
                pooch.retrieve(
                    source + path.name, f"sha256:{files[path.name]}", path.name, folder, downloader=downloader
                )
            return paths
        except (OSError, ValueError) as error:  # what requests and pooch raise: no connection, another hash
            failures[source] = _reason(error)
    tried = "\n".join(f"  {source}: {failure}" for source, failure in failures.items())
    damaged = [str(path) for path in wrong if path.is_file()]
    raise ConnectionError(
        f"{', '.join(path.name for path in wrong)} could not be downloaded to {folder}. Tried:\n{tried}"
        + (f"\nThere, but with another SHA-256 hash than expected: {', '.join(damaged)}." if damaged else "")
    )


def _reason(error: BaseException) -> str:
    """The first error of a chain: what the wrappers of network libraries are about."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _answers(sources: Sequence[str], name: str, patience: float) -> Iterator[tuple[str, Exception | None]]:
    """Sources in the order in which they answer, with what spoke against them; those too late are left out.

    Threads, because the time that looking up a host's name takes cannot be limited otherwise.
    """
    import pooch

    answers: queue.SimpleQueue[tuple[str, Exception | None]] = queue.SimpleQueue()

    def ask(source: str) -> None:
        try:
            there = pooch.HTTPDownloader(timeout=patience)(source + name, "", None, check_only=True)
            answers.put((source, None if there else FileNotFoundError(f"the server has no {name}")))
        except (OSError, ValueError) as error:
            answers.put((source, error))

    deadline = time.monotonic() + patience
    for source in sources:
        threading.Thread(target=ask, args=(source,), daemon=True).start()
    for _ in sources:
        try:
            yield answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
