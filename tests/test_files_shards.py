"""Weights in shards: against Keras in both directions, and what is left after failures, kills and damage."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers.saving import _shards

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras

rng = np.random.default_rng(0)
SIZE = 300 / 2**30  # a shard of 300 bytes


def make(library, width=8):
    model = library.Sequential([library.Input((3,)), library.layers.Dense(width)])
    for _ in range(4):
        model.add(library.layers.Dense(width, activation="tanh"))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    randomize(model)
    return model


def randomize(model):
    for variable in (*model.weights, *model.optimizer.variables):
        if str(variable.dtype).startswith("float"):
            variable.assign(rng.normal(size=variable.shape))


def arrays(model):
    return [np.array(value) for value in (*model.weights, *model.optimizer.variables)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


def shards_in(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".h5"))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "m.weights.json")


def test_keras_reads_ours(path):
    ours, theirs = make(jl), make(keras)
    ours.save_weights(path, max_shard_size=SIZE)
    assert len(shards_in(os.path.dirname(path))) > 6
    theirs.load_weights(path)
    assert same(ours, theirs)


def test_ours_reads_keras(path):
    ours, theirs = make(jl), make(keras)
    theirs.save_weights(path, max_shard_size=SIZE)
    with open(path) as file:
        names = json.load(file)["weight_map"].values()
    assert any(isinstance(name, list) for name in names)  # an object that is spread over several shards
    ours.load_weights(path)
    assert same(ours, theirs)
    randomize(ours)
    ours.save_weights(path, max_shard_size=2 * SIZE)  # in the place of a set of Keras
    theirs.load_weights(path)
    assert same(ours, theirs)
    with open(path) as file:
        assert len(shards_in(os.path.dirname(path))) == 1 + len(json.load(file)["metadata"]["jaxlayers_shards"])


def test_an_ending_of_a_single_file_is_that_of_the_index_when_a_size_is_given(path):
    model, other = make(jl), make(jl)
    model.save_weights(path.replace(".json", ".h5"), max_shard_size=SIZE)
    other.load_weights(path)
    assert same(model, other)
    with pytest.raises(FileExistsError):
        model.save_weights(path.replace(".json", ".h5"), overwrite=False, max_shard_size=SIZE)


def test_a_set_replaces_another_whole_or_not_at_all(path):
    model, other = make(jl), make(jl)
    model.save_weights(path, max_shard_size=SIZE)
    before = sorted(os.listdir(os.path.dirname(path)))
    with pytest.raises(ValueError, match="more than a shard of 200 bytes can hold"):
        make(jl).save_weights(path, max_shard_size=200 / 2**30)
    assert sorted(os.listdir(os.path.dirname(path))) == before
    other.load_weights(path)
    assert same(model, other)
    randomize(model)
    model.save_weights(path)
    assert len(os.listdir(os.path.dirname(path))) == 3  # index, shard, and the file that Keras opens first
    other.load_weights(path)
    assert same(model, other)
    with pytest.raises(ValueError, match="positive number of GB"):
        model.save_weights(path, max_shard_size=0)


CHILD = """
import os, sys
import numpy as np
import jaxlayers as jl
model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(8), jl.layers.Dense(8)])
model.set_weights([np.full_like(w, {value}) for w in model.get_weights()])
calls, replace = 0, os.replace
def dying(*args):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), 9)
    return replace(*args)
os.replace = dying
model.save_weights({path!r}, max_shard_size=300 / 2**30)
"""


def test_a_kill_between_two_renames_leaves_a_set_that_loads(path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(8), jl.layers.Dense(8)])
    model.set_weights([np.full_like(w, 1) for w in model.get_weights()])
    model.save_weights(path, max_shard_size=SIZE)
    code = CHILD.format(value=2, call=3, path=path)  # two shards of three have their names
    child = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert child.returncode == -9, child.stderr
    model.load_weights(path)
    assert all(np.all(w == 1) for w in model.get_weights())
    assert [name for name in os.listdir(os.path.dirname(path)) if name.endswith(".partial")]
    model.save_weights(path, max_shard_size=SIZE)
    assert not [name for name in os.listdir(os.path.dirname(path)) if name.endswith(".partial")]


def test_changed_bytes_and_shards_of_another_save_are_found(path):
    model = make(jl)
    model.save_weights(path, max_shard_size=SIZE)
    folder = os.path.dirname(path)
    with open(path) as file:
        names = list(json.load(file)["metadata"]["jaxlayers_shards"])
    before = arrays(model)
    for name in ("m.weights.json", names[0], names[-1]):
        full = os.path.join(folder, name)
        with open(full, "rb") as file:
            good = file.read()
        for position in range(0, len(good), 1 + len(good) // 20):
            bad = bytearray(good)
            bad[position] ^= 1 << position % 8
            with open(full, "wb") as file:
                file.write(bad)
            with pytest.raises(ValueError, match="damaged|no JSON"), _shards.opened(path):
                pass
        with open(full, "wb") as file:
            file.write(good)
    os.replace(os.path.join(folder, names[1]), os.path.join(folder, names[2]))
    with pytest.raises(ValueError, match="missing|not the one that was saved"):
        model.load_weights(path)
    os.link(os.path.join(folder, names[2]), os.path.join(folder, names[1]))
    with pytest.raises(ValueError, match="not the one that was saved"):
        model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model), strict=True))


@pytest.mark.parametrize(
    "names",
    ["../other.weights.h5", "/etc/other.weights.h5", "sub/other.weights.h5", "a\\b.weights.h5", "C:x.weights.h5",
     "passwd", "absent.weights.h5", "link.weights.h5", "", [], 3, [["m"]], None,
     ["m_00000.weights.h5", "../m.weights.h5"]],
)  # fmt: skip
def test_an_index_leads_nowhere_else(names, path, tmp_path):
    (tmp_path / "set").mkdir()
    inside = str(tmp_path / "set" / "m.weights.json")
    model = make(jl)
    model.save_weights(str(tmp_path / "other.weights.h5"))
    os.symlink(tmp_path / "other.weights.h5", tmp_path / "set" / "link.weights.h5")
    with open(inside, "w") as file:
        json.dump({"metadata": {}, "weight_map": {"/layers/dense/vars": names}}, file)
    with pytest.raises(ValueError, match=r"m\.weights\.json"):
        model.load_weights(inside)


def test_keras_shards_of_another_model_do_not_pass(path):
    make(keras).save_weights(path, max_shard_size=SIZE)
    with open(path) as file:
        index = json.load(file)
    index["weight_map"]["/layers/dense/vars"], index["weight_map"]["/layers/dense_4/vars"] = (
        index["weight_map"]["/layers/dense_4/vars"],
        index["weight_map"]["/layers/dense/vars"],
    )
    with open(path, "w") as file:
        json.dump(index, file)
    with pytest.raises(ValueError, match="do not have '/layers/dense"):
        make(jl).load_weights(path)
