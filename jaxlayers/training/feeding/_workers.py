"""Make the items of a data set ahead in processes, and return them in order.

Processes take turns: item 0 goes to the first process, item 1 to the second, and so on, so that each process draws the
same random numbers in every run. The data set is sent to the processes again if it has changed since the last pass.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
import random
import signal
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_EXIT_TIMEOUT = 1.0  # seconds that a process has to end by itself


class Processes:
    """Processes that make the items of one data set. They run until `close`.

    Args:
        workers: the number of processes.
    """

    def __init__(self, workers: int):
        import multiprocessing  # imported here: slow to load, and rarely needed

        # Never fork: JAX has threads, and a forked copy of a process with threads can hang.
        method = multiprocessing.get_start_method(allow_none=True)
        context: Any = multiprocessing.get_context(method if method == "forkserver" else "spawn")
        self._sent_digest = b""
        self._open: list[tuple[Any, Connection]] = []
        self._unanswered = [0] * workers
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
        """Yield `dataset[item]` for each item, in the order of the items.

        Args:
            dataset: the data set.
            items: the items.
            ahead: the number of items that are made ahead; at least one for each process.

        Raises:
            ValueError: if the data set cannot be pickled.
            RuntimeError: if a process has ended by itself.
        """
        self._send_dataset(dataset)
        remaining = iter(items)
        workers = len(self._open)
        requested = answered = 0
        while True:
            for item in itertools.islice(remaining, max(ahead, workers) - (requested - answered)):
                self._send(requested % workers, item)
                self._unanswered[requested % workers] += 1
                requested += 1
            if answered == requested:
                return
            result, error, text = self._receive(answered % workers)
            answered += 1
            if error is not None:
                error.add_note(f"In a process of the data set:\n{text}")
                try:
                    raise error
                finally:
                    del error  # its traceback refers to this frame, which would be a reference cycle
            yield result

    def _send_dataset(self, dataset: Any) -> None:
        """Send the data set to all processes, unless it has not changed since it was last sent."""
        for number in range(len(self._open)):
            while self._unanswered[number]:  # requests of a pass that ended early
                self._receive(number)
        try:
            message = pickle.dumps(dataset, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise ValueError(
                f"use_multiprocessing=True needs a data set that can be pickled; {type(dataset).__name__} cannot: "
                f"{error}. Remove the attributes that cannot be pickled, such as open files, or use threads."
            ) from error
        digest = hashlib.sha256(message).digest()
        if digest != self._sent_digest:
            for number in range(len(self._open)):
                self._send(number, message)
            self._sent_digest = digest

    def _send(self, number: int, message: Any) -> None:
        try:
            self._open[number][1].send(message)
        except OSError as error:
            raise self._exit_error(number) from error

    def _receive(self, number: int) -> Any:
        self._unanswered[number] -= 1
        try:
            return self._open[number][1].recv()
        except (EOFError, OSError) as error:
            raise self._exit_error(number) from error

    def _exit_error(self, number: int) -> RuntimeError:
        """Return the error for a process that has ended."""
        process = self._open[number][0]
        process.join(_EXIT_TIMEOUT)
        return RuntimeError(
            f"A process that makes batches ended by itself (exit code {process.exitcode}). With "
            "use_multiprocessing=True, the code that starts the program must stand under "
            "`if __name__ == '__main__':`, and the data set must not use the accelerator or exhaust the memory."
        )

    def close(self) -> None:
        """End all processes."""
        processes, self._open = self._open, []
        for _, connection in processes:
            connection.close()
        for process, _ in processes:
            if process.pid is None:  # starting it failed
                continue
            process.join(_EXIT_TIMEOUT)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def _serve(connection: Connection, seed: list[int]) -> None:
    """Run in a process: receive items and send the batches, until the main program closes the connection.

    Args:
        connection: the connection to the main program. A message of bytes is the pickled data set.
        seed: the seed of the random numbers of this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main program handles the interrupt and closes the connection
    jax.config.update("jax_platforms", "cpu")  # the main program has the accelerator
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
        except Exception as error:  # the batch cannot be pickled
            connection.send((None, _sendable(error), traceback.format_exc()))


def _sendable(error: Exception) -> Exception:
    """Return an error that can be pickled: the error itself, or a `RuntimeError` with its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
