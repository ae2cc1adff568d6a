"""Find the files of data sets on disk, or download them.

The places, in order: the folder in the environment variable `JAXLAYERS_DATA`; the cache of pooch; the network, from
which files are downloaded into that cache and checked against known hashes. A missing network is noticed within
seconds: all sources are asked for the first file at the same time, and only those that answer in time are used.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxlayers.files import downloads

ANSWER_TIMEOUT = 4.0  # seconds that a source has to answer
STALL_TIMEOUT = 20.0  # seconds without a byte after which a running download fails


def data_folder() -> Path | None:
    """Return the folder in the environment variable `JAXLAYERS_DATA`; None if it is not set."""
    folder = os.environ.get("JAXLAYERS_DATA")
    return Path(folder).expanduser() if folder else None


def cache_folder(dataset: str) -> Path:
    """Return the folder of the downloaded files of a data set."""
    import pooch

    return Path(pooch.os_cache("jaxlayers")) / dataset


def fetch(files: dict[str, str], sources: Sequence[str], folder: Path, timeout: float = ANSWER_TIMEOUT) -> list[Path]:
    """Return the paths of files in a folder, after downloading the missing ones.

    Args:
        files: a dict from the name of each file to its SHA-256 hash.
        sources: alternative URLs of the folder of the files.
        folder: the local folder. A file in it with another hash is downloaded again.
        timeout: the seconds that a source has to answer.

    Raises:
        ConnectionError: if no source has files with these hashes. The message lists the sources and their errors.
    """
    import pooch

    paths = [folder / name for name in files]
    wrong = [path for path in paths if not path.is_file() or pooch.file_hash(path) != files[path.name]]
    if not wrong:
        return paths
    failures = dict.fromkeys(sources, f"no answer within {timeout:g} s")
    downloader = downloads.http_downloader(timeout=(timeout, STALL_TIMEOUT))
    for source, failure in _answers(sources, wrong[0].name, timeout):
        if failure is not None:
            failures[source] = failure
            continue
        try:
            for path in wrong:
                pooch.retrieve(
                    source + path.name, f"sha256:{files[path.name]}", path.name, folder, downloader=downloader
                )
            return paths
        except (OSError, ValueError) as error:  # from requests: no connection; from pooch: another hash
            failures[source] = _root_cause(error)
    tried = "\n".join(f"  {source}: {failure}" for source, failure in failures.items())
    damaged = [str(path) for path in wrong if path.is_file()]
    raise ConnectionError(
        f"{', '.join(path.name for path in wrong)} could not be downloaded to {folder}. Tried:\n{tried}"
        + (f"\nOn disk, but with another SHA-256 hash than expected: {', '.join(damaged)}." if damaged else "")
    )


def _root_cause(error: BaseException) -> str:
    """Return the first error of a chain as text: network libraries wrap it in several others."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def _answers(sources: Sequence[str], name: str, timeout: float) -> Iterator[tuple[str, str | None]]:
    """Yield the sources in the order in which they answer, each with None or a failure; not those that are too late.

    The sources are asked in threads, because a name lookup has no timeout of its own.

    Args:
        sources: the URLs.
        name: the name of the file to ask for.
        timeout: the seconds that a source has to answer.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()

    def ask(source: str) -> None:
        try:
            exists = downloads.answers(source + name, timeout)
            answers.put((source, None if exists else f"FileNotFoundError: the server has no {name}"))
        except (OSError, ValueError) as error:
            answers.put((source, _root_cause(error)))

    deadline = time.monotonic() + timeout
    for source in sources:
        threading.Thread(target=ask, args=(source,), daemon=True).start()
    for _ in sources:
        try:
            yield answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
