"""The items of a data set made ahead, by threads or by processes, and handed out in their order.

Threads take the next item whenever they are free. Processes take turns: item 0 goes to the first, item 1 to the second,
and so on, so that what each of them draws at random is the same in every run. A process gets the data set anew when
it has changed since the last time.
"""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import pickle
import random
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import jax
import numpy as np

_PATIENCE = 1.0  # seconds that a process has to end by itself


def by_threads(make: Callable[[int], Any], items: Iterable[int], workers: int, ahead: int) -> Iterator[Any]:
    """What `make` returns for each item, in their order; the threads end with the iterator."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="jaxlayers_data")
    remaining = iter(items)
    waiting: deque[Future[Any]] = deque()
    try:
        waiting.extend(pool.submit(make, item) for item in itertools.islice(remaining, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in itertools.islice(remaining, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Processes:
    """Processes that make the items of one data set; they live until `close`."""

    def __init__(self, workers: int):
        # Never by forking: JAX has threads, and a copy of a program with threads can hang.
        chosen = multiprocessing.get_start_method(allow_none=True)
        context: Any = multiprocessing.get_context(chosen if chosen == "forkserver" else "spawn")
        self._known = b""
        self._open: list[tuple[Any, Connection]] = []
        self._owed = [0] * workers
        seed = int(np.random.randint(2**31))
        try:
            for number in range(workers):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_serve, args=(theirs, [seed, number]), name=f"jaxlayers_data_{number}", daemon=True
                )
                self._open.append((process, ours))
                process.start()
                theirs.close()
        except BaseException:
            self.close()
            raise

    def run(self, dataset: Any, items: Iterable[int], ahead: int) -> Iterator[Any]:
        """What the data set has for each item, in their order.

        Raises:
            ValueError: when the data set cannot be sent to a process.
            RuntimeError: when a process has ended.
        """
        self._send(dataset)
        remaining = iter(items)
        workers = len(self._open)
        asked = answered = 0
        while True:
            for item in itertools.islice(remaining, max(ahead, workers) - (asked - answered)):
                self._tell(asked % workers, item)
                self._owed[asked % workers] += 1
                asked += 1
            if answered == asked:
                return
            result, error, told = self._hear(answered % workers)
            answered += 1
            if error is not None:
                error.add_note(f"In a process of the data set:\n{told}")
                raise error
            yield result

    def _send(self, dataset: Any) -> None:
        """Let all processes have the data set as it is now."""
        for number in range(len(self._open)):
            while self._owed[number]:  # of a pass that was broken off
                self._hear(number)
        try:
            whole = pickle.dumps(dataset, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise ValueError(
                f"use_multiprocessing=True needs a data set that can be pickled, and {type(dataset).__name__} cannot: "
                f"{error}. Leave out what cannot be, such as open files, or use threads."
            ) from error
        digest = hashlib.sha256(whole).digest()
        if digest != self._known:
            for number in range(len(self._open)):
                self._tell(number, whole)
            self._known = digest

    def _tell(self, number: int, message: Any) -> None:
        try:
            self._open[number][1].send(message)
        except OSError as error:
            raise self._ended(number) from error

    def _hear(self, number: int) -> Any:
        self._owed[number] -= 1
        try:
            return self._open[number][1].recv()
        except (EOFError, OSError) as error:
            raise self._ended(number) from error

    def _ended(self, number: int) -> RuntimeError:
        process = self._open[number][0]
        process.join(_PATIENCE)
        return RuntimeError(
            f"A process that makes batches ended by itself (exit code {process.exitcode}). With "
            "use_multiprocessing=True a program must begin under `if __name__ == '__main__':`, and the data set must "
            "not use the accelerator or exhaust the memory."
        )

    def close(self) -> None:
        """End all processes."""
        processes, self._open = self._open, []
        for _, connection in processes:
            connection.close()
        for process, _ in processes:
            if process.pid is None:  # it never started
                continue
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def _serve(connection: Connection, seed: list[int]) -> None:
    """What a process does: answer to items until the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main program is interrupted, and closes the connection
    jax.config.update("jax_platforms", "cpu")  # the accelerator belongs to the main program
    state = np.random.SeedSequence(seed).generate_state(2)
    np.random.seed(state[0])
    random.seed(int(state[1]))
    dataset: Any = None
    broken: tuple[Exception, str] | None = None
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if isinstance(message, bytes):
            try:
                dataset, broken = pickle.loads(message), None
            except Exception as error:
                broken = (_sendable(error), traceback.format_exc())
            continue
        try:
            answer = (None, *broken) if broken else (dataset[message], None, "")
        except Exception as error:
            answer = (None, _sendable(error), traceback.format_exc())
        try:
            connection.send(answer)
        except (BrokenPipeError, ConnectionError):
            return
        except Exception as error:  # a batch need not be such as can be sent
            connection.send((None, _sendable(error), traceback.format_exc()))


def _sendable(error: Exception) -> Exception:
    """An error, or what tells of it where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
