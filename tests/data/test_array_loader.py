"""ArrayLoader: batches, shuffling, and resuming from its state."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jaxlayers.data import ArrayLoader


def indices(batches):
    return [np.asarray(batch).tolist() for batch in batches]


def numbered(n, **kwargs):
    return ArrayLoader(np.arange(n), **kwargs)


def test_without_shuffling_batches_are_slices_in_order():
    x = np.random.normal(size=(7, 3))
    batches = list(ArrayLoader(x, batch_size=3))
    np.testing.assert_array_equal(np.concatenate(batches), x)
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert all(np.shares_memory(batch, x) for batch in batches)


@pytest.mark.parametrize("shuffle", [False, True])
def test_structure_and_pairing_are_kept(shuffle):
    x = np.random.normal(size=(10, 2)).astype("float32")
    arrays = {"in": (x, [x[:, 0].copy()]), "out": x.sum(-1), "none": None}
    seen = []
    for batch in ArrayLoader(arrays, batch_size=4, shuffle=shuffle, seed=3):
        assert set(batch) == {"in", "out", "none"} and batch["none"] is None
        assert isinstance(batch["in"], tuple) and isinstance(batch["in"][1], list)
        assert batch["in"][0].dtype == "float32"
        np.testing.assert_array_equal(batch["in"][1][0], batch["in"][0][:, 0])
        np.testing.assert_array_equal(batch["out"], batch["in"][0].sum(-1))
        seen.append(batch["out"])
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.sort(x.sum(-1)))


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x,
        lambda x: np.asfortranarray(x),
        lambda x: np.stack([x, -x], 1)[:, 0],
        lambda x: x[::-1],
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.astype("f4").tobytes(), "f4", offset=1).reshape(x.shape),
    ],
    ids=["contiguous", "fortran", "strided", "reversed", "big_endian", "unaligned"],
)
def test_rows_are_gathered_from_any_layout(layout):
    x = layout(np.random.normal(size=(9, 4)).astype("float32"))
    loader = ArrayLoader(x, batch_size=4, shuffle=True, seed=1)
    order = loader.order(0)
    np.testing.assert_array_equal(np.concatenate(list(loader)), np.array(x.tolist(), "float32")[order])


def test_a_gather_does_not_copy_a_strided_array_whole():
    x = np.zeros((2, 1_000_000), "float32").T  # rows of two numbers that are far apart
    loader = ArrayLoader(x, batch_size=2, shuffle=True, seed=0)
    batches = iter(loader)
    next(batches)
    start = time.perf_counter()
    for _ in range(50):
        next(batches)
    gathering = time.perf_counter() - start
    start = time.perf_counter()
    np.ascontiguousarray(x)
    assert gathering < 10 * (time.perf_counter() - start)


def test_each_pass_is_the_next_epoch_in_an_order_of_seed_and_epoch():
    loader = numbered(20, batch_size=6, shuffle=True, seed=5)
    epochs = [np.concatenate(list(loader)).tolist() for _ in range(3)]
    assert epochs == [loader.order(epoch).tolist() for epoch in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    again = numbered(20, batch_size=7, shuffle=True, seed=5)
    assert [np.concatenate(list(again)).tolist() for _ in range(3)] == epochs
    assert numbered(20, shuffle=True, seed=6).order(0).tolist() != epochs[0]
    assert numbered(20).order(0) is None


def test_without_a_seed_the_global_generator_of_numpy_gives_one():
    np.random.seed(1)
    first = numbered(50, shuffle=True), numbered(50, shuffle=True)
    np.random.seed(1)
    second = numbered(50, shuffle=True), numbered(50, shuffle=True)
    assert [loader.seed for loader in first] == [loader.seed for loader in second]
    assert first[0].seed != first[1].seed
    np.random.seed(1)
    numbered(50)
    assert numbered(50, shuffle=True).seed == first[0].seed, "an order that is not random draws nothing"


@pytest.mark.parametrize(("size", "batch_size", "drop", "lengths"), [(7, 3, False, [3, 3, 1]), (7, 3, True, [3, 3])])
@pytest.mark.parametrize("shuffle", [False, True])
def test_length_and_remainder(size, batch_size, drop, lengths, shuffle):
    loader = numbered(size, batch_size=batch_size, drop_remainder=drop, shuffle=shuffle, seed=0)
    assert len(loader) == len(lengths)
    assert [len(batch) for batch in loader] == lengths


@given(
    size=st.integers(1, 30),
    batch_size=st.integers(1, 30),
    shuffle=st.booleans(),
    drop=st.booleans(),
    before=st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_a_restored_loader_goes_on_exactly(size, batch_size, shuffle, drop, before):
    def make():
        return numbered(size, batch_size=batch_size, shuffle=shuffle, seed=9, drop_remainder=drop)

    if drop and batch_size > size:
        with pytest.raises(ValueError, match="has no batches"):
            make()
        return

    def endless(loader):
        while True:
            yield from loader

    loader = make()
    stream = endless(loader)
    for _ in range(before):
        next(stream)
    state = json.loads(json.dumps(loader.get_state()))
    other = make()
    other.set_state(state)
    assert other.get_state() == state
    rest = endless(other)
    assert indices(next(rest) for _ in range(10)) == indices(next(stream) for _ in range(10))
    assert other.get_state() == loader.get_state()


def test_state_counts_what_was_handed_out():
    loader = numbered(5, batch_size=2)
    places = [(s["epoch"], s["batch"]) for s in [loader.get_state(), *(loader.get_state() for _ in loader)]]
    assert places == [(0, 0), (0, 1), (0, 2), (0, 3)]
    state = loader.get_state()
    assert (state["epoch"], state["batch"]) == (1, 0)
    assert all(type(value) is int for value in state.values())


def test_restored_at_the_end_of_an_epoch_the_rest_of_it_is_empty():
    loader = numbered(4, batch_size=2, shuffle=True, seed=0)
    states = [loader.get_state() for _ in loader]
    loader.set_state(states[-1])
    assert list(loader) == []
    assert np.concatenate(list(loader)).tolist() == loader.order(1).tolist()


def test_a_pass_broken_off_leaves_its_state_and_the_next_is_the_next_epoch():
    loader = numbered(6, batch_size=2, shuffle=True, seed=0)
    for _ in loader:
        break
    state = loader.get_state()
    assert (state["epoch"], state["batch"]) == (0, 1)
    assert np.concatenate(list(loader)).tolist() == loader.order(1).tolist()
    loader.set_state(state)
    assert np.concatenate(list(loader)).tolist() == loader.order(0)[2:].tolist()
    assert np.concatenate(list(loader)).tolist() == loader.order(1).tolist()


def test_a_state_set_in_the_middle_of_a_pass_is_where_the_next_one_starts():
    loader = numbered(6, batch_size=2, shuffle=True, seed=0)
    batches = iter(loader)
    next(batches)
    loader.set_state(loader.get_state())
    list(batches)
    assert loader.get_state()["batch"] == 1, "the old pass does not move the position any more"
    assert np.concatenate(list(loader)).tolist() == loader.order(0)[2:].tolist()


def test_overlapping_passes_go_through_epochs_of_their_own():
    loader = numbered(6, batch_size=2, shuffle=True, seed=0)
    pairs = list(zip(loader, loader, strict=True))
    assert np.concatenate([a for a, _ in pairs]).tolist() == loader.order(0).tolist()
    assert np.concatenate([b for _, b in pairs]).tolist() == loader.order(1).tolist()
    first, second = iter(loader), iter(loader)
    next(second)
    next(first), next(first)
    state = loader.get_state()
    assert (state["epoch"], state["batch"]) == (3, 1), "the pass begun last is the one that counts"


def test_resuming_in_another_process():
    code = (
        "import json, sys; import numpy as np; from jaxlayers.data import ArrayLoader\n"
        "loader = ArrayLoader(np.arange(23), batch_size=4, shuffle=True)\n"
        "loader.set_state(json.loads(sys.argv[1]))\n"
        "print(json.dumps([batch.tolist() for batch in loader]))"
    )
    loader = numbered(23, batch_size=4, shuffle=True)
    list(loader)
    batches = iter(loader)
    next(batches), next(batches)
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(loader.get_state())], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == indices(batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": 21}, "num_samples is 20 in this loader and 21 in the state"),
        ({"batch_size": 5}, "batch_size is 4 in this loader and 5 in the state"),
        ({"seed": 8}, "seed is 7 in this loader and 8 in the state"),
        ({"shuffle": 0, "seed": 0}, "shuffle is 1 in this loader and 0 in the state; seed"),
        ({"drop_remainder": 1}, "drop_remainder is 0 in this loader"),
        ({"batch": 6}, "is 6, but an epoch has 5"),
        ({"epoch": -1}, "at least 0; received -1"),
        ({"epoch": 1.5}, "received 1.5"),
        ({"step": 3}, "'step'"),
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change, message):
    loader = numbered(20, batch_size=4, shuffle=True, seed=7)
    batches = iter(loader)
    next(batches)
    before = loader.get_state()
    with pytest.raises(ValueError, match=message):
        loader.set_state({**before, **change})
    assert loader.get_state() == before
    next(batches)
    assert loader.get_state()["batch"] == 2


def test_state_may_come_back_as_arrays():
    loader = numbered(20, shuffle=True, seed=7)
    loader.set_state({name: np.asarray(value) for name, value in loader.get_state().items()})
    assert json.dumps(loader.get_state())


@pytest.mark.parametrize(
    ("arrays", "kwargs", "message"),
    [
        ((np.zeros((3, 2)), np.zeros(4)), {}, r"arrays\[0\]: 3, arrays\[1\]: 4"),
        ({"x": np.zeros(3), "y": np.float32(1)}, {}, r"arrays\['x'\]: 3, arrays\['y'\]: no axes"),
        ((), {}, "received no array"),
        (np.zeros((0, 2)), {}, "at least one sample"),
        (np.zeros(3), {"batch_size": 0}, "batch_size must be an integer of at least 1; received 0"),
        (np.zeros(3), {"batch_size": 2.0}, "received 2.0"),
        (np.zeros(3), {"batch_size": True}, "received True"),
        (np.zeros(3), {"seed": -1}, "seed must be"),
    ],
)
def test_bad_arguments(arrays, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ArrayLoader(arrays, **kwargs)
