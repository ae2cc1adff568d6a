"""Data sets whose batches are made by threads or processes: order, completeness and cleanup."""

import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from jaxlayers.training.feeding import feed
from jaxlayers.utils import PyDataset, set_random_seed


class Numbers(PyDataset):
    """Batch i is i, and how often epochs have begun and ended; some batches take longer, some fail."""

    def __init__(self, size=7, failing=None, **kwargs):
        super().__init__(**kwargs)
        self.size, self.failing = size, failing
        self.begun = self.ended = 0

    @property
    def num_batches(self):
        return self.size

    def __getitem__(self, index):
        if index == self.failing:
            raise LookupError(f"batch {index}")
        time.sleep(0.003 * (index % 3))
        return np.array([[index]]), np.array([self.begun, self.ended, np.random.randint(1000)])

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1


def numbers(batches):
    return [int(x[0, 0]) for x, _ in batches]


def helpers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("jaxlayers_data")]


WORKERS = [{}, {"workers": 0}, {"workers": 3}, {"workers": 2, "max_queue_size": 1}]


@pytest.mark.parametrize("kwargs", WORKERS)
def test_batches_come_in_order_and_epochs_are_told(kwargs):
    dataset = Numbers(**kwargs)
    with feed(dataset) as batches:
        assert batches.steps == 7
        for epoch in range(2):
            taken = list(batches.epoch())
            assert numbers(taken) == list(range(7))
            assert all(told[:2].tolist() == [epoch + 1, epoch] for _, told in taken)
        assert (dataset.begun, dataset.ended) == (2, 2)
        assert [size for _, size in batches.stacked(lambda: 3)] == [3, 3, 1]  # with room for three in each
        next(batches.epoch())
        assert (dataset.begun, dataset.ended) == (4, 3)  # the last was broken off
        dataset.size = 3
        assert numbers(batches.epoch()) == [0, 1, 2] and batches.steps == 3
    assert not helpers()


@pytest.mark.parametrize("kwargs", WORKERS)
def test_some_steps_an_epoch(kwargs):
    with feed(Numbers(**kwargs), steps=5) as batches:
        seen = [numbers(batches.epoch())]
        with pytest.warns(UserWarning, match="after 2 batches of 5"):
            seen += [numbers(batches.epoch()) for _ in range(2)]
    assert seen == [[*range(5)], [5, 6], [*range(5)]]
    with feed(Numbers(size=None, **kwargs), steps=4) as batches:
        seen = [numbers(batches.epoch()) for _ in range(2)]
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert not helpers()
    with pytest.raises(ValueError, match="Numbers has no end"):
        feed(Numbers(size=None, **kwargs))


def test_shuffling_is_of_batches_and_repeats_with_the_seed():
    runs = []
    for workers in (1, 3):
        set_random_seed(4)
        batches = feed(Numbers(workers=workers), shuffle=True)
        runs.append([numbers(batches.epoch()) for _ in range(2)])
    assert runs[0] == runs[1] and runs[0][0] != runs[0][1]
    assert [sorted(epoch) for epoch in runs[0]] == [list(range(7))] * 2


@pytest.mark.parametrize("failing", [0, 3, 6])
@pytest.mark.parametrize("kwargs", WORKERS)
def test_an_error_names_the_batch(kwargs, failing):
    dataset = Numbers(failing=failing, **kwargs)
    seen = []
    with feed(dataset) as batches:
        with pytest.raises(LookupError, match=f"batch {failing}") as caught:
            for x, _ in batches.epoch():
                seen.append(int(x[0, 0]))
        assert seen == list(range(failing)) and not helpers()
        assert caught.value.__notes__ == [f"The error is in batch {failing} of the data, counted from 0."]
        assert caught.traceback[-1].name == "__getitem__"
        dataset.failing = None
        assert numbers(batches.epoch()) == list(range(7))


@pytest.mark.parametrize("workers", [{"workers": 3}, {"workers": 2, "use_multiprocessing": True}])
def test_batches_of_a_part_of_an_epoch_wait_for_its_begin(workers):
    """No batch of the next epoch is made before the data set is told that the epoch has begun."""
    with feed(Numbers(size=6, max_queue_size=4, **workers), steps=3) as batches:
        for epoch in range(4):
            parts = [(int(x[0, 0]), *y[:2].tolist()) for x, y in batches.epoch()]
            assert parts == [(3 * (epoch % 2) + i, epoch + 1, epoch) for i in range(3)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
def test_threads_end_with_a_loop_that_fails(error):
    batches = feed(Numbers(workers=3), steps=5)
    running = []
    with pytest.raises(error), batches:
        for x, _ in batches.epoch():
            running = helpers()
            if x[0, 0] == 2:
                raise error
    assert len(running) == 3 and not helpers()
    threads = feed(Numbers(workers=3)).epoch()
    next(threads)
    assert helpers()
    del threads  # a loop that is broken off lets go of its iterator
    assert not helpers()


def test_threads_work_at_the_same_time():
    class Meeting(PyDataset):
        def __init__(self):
            super().__init__(workers=2)
            self.barrier = threading.Barrier(2, timeout=20)

        def __len__(self):
            return 4

        def __getitem__(self, index):
            self.barrier.wait()
            return np.array([[index]]), np.array([index])

    assert numbers(feed(Meeting()).epoch()) == [0, 1, 2, 3]


class Dying(Numbers):
    def __getitem__(self, index):
        if index == 3:
            os._exit(7)
        return super().__getitem__(index)


class Unloadable(Numbers):
    def __setstate__(self, state):
        raise ImportError("not here")


class OddError(Exception):
    """Cannot be sent: it needs two arguments."""

    def __init__(self, one, two):
        super().__init__(one)


class Strange(Numbers):
    def __getitem__(self, index):
        if index == 1:
            raise OddError("one", "two")
        return lambda: None


def test_processes():
    dataset = Numbers(workers=2, use_multiprocessing=True, max_queue_size=4)
    with feed(dataset) as batches:
        set_random_seed(3)
        first = list(batches.epoch())
        processes = multiprocessing.active_children()
        assert len(processes) == 2 and numbers(first) == list(range(7))
        second = list(batches.epoch())
        assert [told[:2].tolist() for _, told in first + second] == [[1, 0]] * 7 + [[2, 1]] * 7  # the data set of now
        drawn = [int(told[2]) for _, told in first]
        assert drawn[0:6:2] != drawn[1:6:2]  # each process has random numbers of its own
        next(batches.epoch())  # broken off
        dataset.failing = 3
        with pytest.raises(LookupError, match="batch 3") as caught:
            list(batches.epoch())
        notes = "\n".join(caught.value.__notes__)
        assert "__getitem__" in notes and "batch 3 of the data" in notes
        dataset.failing = None
        assert numbers(batches.epoch()) == list(range(7))
        assert multiprocessing.active_children() == processes

        processes = batches._source._processes
        with pytest.raises(RuntimeError, match="OddError: one"):
            list(processes.run(Strange(), [1], 4))
        with pytest.raises(Exception, match="pickle|local object"):
            list(processes.run(Strange(), [0], 4))
        with pytest.raises(ImportError, match="not here"):
            list(processes.run(Unloadable(), [0], 4))
        unpicklable = Numbers()
        unpicklable.lock = threading.Lock()
        with pytest.raises(ValueError, match=r"use_multiprocessing=True.*Numbers.*lock"):
            list(processes.run(unpicklable, [0], 4))
        with pytest.raises(RuntimeError, match=r"exit code 7.*__main__"):
            list(processes.run(Dying(), range(7), 4))
    assert not multiprocessing.active_children()


def test_processes_end_with_a_loop_that_is_interrupted():
    batches = feed(Numbers(workers=1, use_multiprocessing=True), steps=3)
    with pytest.raises(KeyboardInterrupt), batches:
        for _ in batches.epoch():
            assert multiprocessing.active_children()
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()
