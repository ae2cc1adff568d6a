"""Weights in safetensors files: names, values, strictness, and files of other programs and of nobody's good will."""

import json
import os
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as their_files

import jaxlayers as jl
from jaxlayers.files import seals
from jaxlayers.files.sums import PART
from jaxlayers.files.verified import Verified
from jaxlayers.saving import _safetensors

rng = np.random.default_rng(0)


class Mine(jl.layers.Layer):
    """A layer with variables in containers, of equal names, and a layer inside."""

    def __init__(self, width=2, **kwargs):
        super().__init__(**kwargs)
        self.scales = [jl.Variable(rng.normal(size=3), name="scale"), jl.Variable(rng.normal(size=3), name="scale")]
        self.counts = {"seen": jl.Variable(np.arange(4), dtype="int32", trainable=False)}
        self.inner = jl.layers.Dense(width)

    def call(self, x):
        return self.inner(x * self.scales[0] + self.scales[1])


class Own(jl.layers.Layer):
    """A layer that stores its variable in its own way."""

    def build(self, shape):
        self.table = self.add_weight(shape=(2, shape[-1]), initializer="normal")

    def call(self, x):
        return x + self.table[0]

    def save_own_variables(self, store):
        store["rows"] = np.asarray(self.table)[::-1]

    def load_own_variables(self, store):
        self.table.assign(store["rows"][::-1])


def make(width=2):
    model = jl.Sequential([jl.Input((3,)), Mine(width), jl.layers.BatchNormalization(), Own(), jl.layers.Dense(4)])
    for variable in model.weights:
        if variable.dtype == "float32":
            variable.assign(rng.normal(size=variable.shape))
    return model


NAMES = {
    "layers/mine/scales.0", "layers/mine/scales.1", "layers/mine/counts.seen", "layers/mine/inner/kernel",
    "layers/mine/inner/bias", "layers/batch_normalization/gamma", "layers/batch_normalization/beta",
    "layers/batch_normalization/moving_mean", "layers/batch_normalization/moving_variance", "layers/own/rows",
    "layers/dense/kernel", "layers/dense/bias",
}  # fmt: skip


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.safetensors")


def test_other_libraries_read_the_weights_by_the_names_of_objects_and_variables(path):
    model = make()
    model.save_weights(path)
    tensors = their_files.load_file(path)
    assert set(tensors) == NAMES
    np.testing.assert_array_equal(tensors["layers/dense/kernel"], model.layers[-1].kernel)
    np.testing.assert_array_equal(tensors["layers/mine/scales.1"], model.layers[0].scales[1])
    np.testing.assert_array_equal(tensors["layers/own/rows"], np.asarray(model.layers[2].table)[::-1])
    other = make()
    assert not same(model, other)
    other.load_weights(path)
    assert same(model, other)


def test_files_of_other_programs_are_read(path):
    model, other = make(), make()
    model.save_weights(path)
    tensors = their_files.load_file(path)
    their_files.save_file(dict(reversed(tensors.items())), path)
    other.load_weights(path)
    assert same(model, other)


def test_equal_weights_give_equal_files(path, tmp_path):
    model, again = make(), str(tmp_path / "again.safetensors")
    model.save_weights(path)
    model.save_weights(again)
    with open(path, "rb") as one, open(again, "rb") as other:
        assert one.read() == other.read()


def test_what_does_not_fit_is_listed_and_nothing_changes(path):
    model, other = make(), make(width=5)
    model.save_weights(path)
    tensors = their_files.load_file(path)
    del tensors["layers/dense/bias"]
    tensors["layers/dense/gain"] = tensors["layers/elsewhere/kernel"] = tensors["layers/dense/kernel"]
    their_files.save_file(tensors, path)
    before = other.get_weights()
    with pytest.raises(ValueError, match="nothing has been loaded") as error:
        other.load_weights(path)
    parts = ["layers/mine/inner: 'kernel' has shape (3, 5)", "'bias' of shape (4,) is missing",
             "the file has more: 'gain' of shape", "layers/elsewhere: the model has nothing"]  # fmt: skip
    for part in parts:
        assert part in str(error.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights(), strict=True))


def test_paths_choose_and_rename(path):
    model, other = make(), make()
    model.save_weights(path)
    before = other.get_weights()
    other.load_weights(path, include="batch_normalization")
    np.testing.assert_array_equal(other.layers[1].gamma, model.layers[1].gamma)
    np.testing.assert_array_equal(other.get_weights()[0], before[0])
    head = jl.Sequential([jl.Input((2,)), jl.layers.Dense(4, name="head")])
    head.load_weights(path, include="^layers/dense$")
    np.testing.assert_array_equal(head.layers[0].kernel, model.layers[-1].kernel)
    inner = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    inner.load_weights(path, include="dense", rename={"^layers/dense$": "layers/mine/inner"})
    np.testing.assert_array_equal(inner.layers[0].kernel, model.layers[0].inner.kernel)


def test_low_rank_weights_have_names_too(path):
    def make():
        model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(4)])
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        return model

    plain, adapted, twin = make(), make(), make()
    plain.save_weights(path)
    adapted.layers[0].enable_lora(2)
    twin.layers[0].enable_lora(2)
    adapted.load_weights(path)
    np.testing.assert_array_equal(adapted(np.eye(3)), plain(np.eye(3)))
    adapted.layers[0].lora_kernel_b.assign(rng.normal(size=(2, 4)))
    adapted.save_weights(path)
    assert {"layers/dense/kernel", "layers/dense/bias"} < set(their_files.load_file(path))
    twin.load_weights(path)
    assert same(adapted, twin)
    plain.load_weights(path)
    np.testing.assert_allclose(adapted(np.eye(3)), plain(np.eye(3)), rtol=1e-5, atol=1e-6)


def test_the_optimizer_is_neither_written_nor_changed(path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    model.compile(jl.optimizers.LossScaleOptimizer(jl.optimizers.Adam()), "mse")
    model.fit(rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), verbose=0)
    model.save_weights(path)
    assert set(their_files.load_file(path)) == {"layers/dense/kernel", "layers/dense/bias"}
    state = [np.array(variable) for variable in model.optimizer.variables]
    model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(state, model.optimizer.variables, strict=True))


DTYPES = ["bool", "int4", "uint4", "int8", "uint8", "int32", "uint32", "float16", "bfloat16", "float32",
          "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"]  # fmt: skip


def test_every_dtype_comes_back(path):
    class Kinds(jl.layers.Layer):
        def __init__(self):
            super().__init__()
            for dtype in DTYPES:
                values = rng.integers(0, 2 if dtype == "bool" else 5, size=(3, 2))
                kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
                setattr(self, dtype, jl.Variable(values.astype(kind), dtype=dtype, trainable=False))
            self.scalar = jl.Variable(rng.normal(), dtype="bfloat16")
            self.empty = jl.Variable(np.zeros((0, 3)))

    kinds, other = Kinds(), Kinds()
    kinds.built = other.built = True
    jl.saving.save_weights(kinds, path)
    jl.saving.load_weights(other, path)
    for one, two in zip(kinds.weights, other.weights, strict=True):
        assert one.dtype == two.dtype and one.shape == two.shape
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_every_flipped_byte_is_found(path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    model.save_weights(path)
    with open(path, "rb") as file:
        good = file.read()
    before = model.get_weights()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        with open(path, "wb") as file:
            file.write(bad)
        with pytest.raises(ValueError, match="damaged|no JSON"):
            model.load_weights(path)
    for size in (0, 7, 8, 30, len(good) - 1):
        with open(path, "wb") as file:
            file.write(good[:size])
        with pytest.raises(ValueError, match="damaged|no JSON|is empty"):
            model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def tensor(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


HOSTILE = {
    "overlap": {"a": tensor(), "b": tensor(data_offsets=[4, 12])},
    "hole": {"a": tensor(), "b": tensor(data_offsets=[12, 20])},
    "outside": {"a": tensor(data_offsets=[8, 16])},
    "bytes after the end": {"a": tensor(shape=[1], data_offsets=[0, 4])},
    "size": {"a": tensor(shape=[3])},
    "overflow": {"a": tensor(shape=[2**62, 2**62])},
    "negative": {"a": tensor(shape=[-2, -1])},
    "huge and empty": {"a": tensor(shape=[2**63, 0], data_offsets=[0, 0]), "b": tensor()},
    "backwards": {"a": tensor(data_offsets=[8, 0])},
    "dtype": {"a": tensor(dtype="F31")},
    "packed dtype": {"a": tensor(dtype="F4", shape=[16])},
    "no tensor": {"a": 3},
    "list": [tensor()],
    "twice": '{"a": %s, "a": %s}' % (json.dumps(tensor()), json.dumps(tensor())),  # noqa: UP031
    "deep": "[" * 100_000,
    "no text": "\udcff",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers_are_refused(kind, path):
    header = HOSTILE[kind]
    text = (header if isinstance(header, str) else json.dumps(header)).encode(errors="surrogateescape")
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(8))
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        model.load_weights(path)


def test_a_header_larger_than_the_file_is_refused_before_it_is_read(path):
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(ValueError, match="its header has 9223372036854775808 bytes"), _safetensors.opened(path):
        pass


def test_what_the_format_lacks_is_refused_and_the_old_file_stays(path):
    layer = jl.layers.Dense(2)
    layer.build((None, 3))
    jl.saving.save_weights(layer, path)

    class Slashes(Own):
        def save_own_variables(self, store):
            store["a/b"] = np.zeros(3)

    other = Slashes()
    other.build((None, 3))
    with pytest.raises(ValueError, match="'a/b' cannot be the name of a tensor"):
        jl.saving.save_weights(other, path)
    jl.saving.load_weights(layer, path)


def test_damage_is_found_before_a_large_file_changes_a_model(tmp_path):
    # Arrays of more than a part (256 KiB) are summed up while they are read, in several threads; the rest afterwards.
    def make_large():
        return jl.Sequential([jl.Input((700,)), jl.layers.Dense(1500), jl.layers.Dense(600), jl.layers.Dense(1)])

    saved, model = make_large(), make_large()
    path = tmp_path / "large.safetensors"
    saved.save_weights(path)
    size, before = path.stat().st_size, model.get_weights()
    for position in [20, 300, size // 7, size // 3, size // 2, size * 4 // 5, size - 700, size - 1]:
        with open(path, "r+b", buffering=0) as file:
            (byte,) = os.pread(file.fileno(), 1, position)
            os.pwrite(file.fileno(), bytes([byte ^ 4]), position)
            with pytest.raises(ValueError, match="large.safetensors' is damaged"):
                model.load_weights(path)
            os.pwrite(file.fileno(), bytes([byte]), position)
    for array, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, same)
    model.load_weights(path)
    for array, other in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(array, other)


def test_large_reads_are_not_repeated(tmp_path):
    content = np.random.default_rng(0).integers(0, 256, (5 << 20) + 12345, dtype=np.uint8).tobytes()
    path = tmp_path / "content"
    path.write_bytes(content)
    with open(path, "rb", buffering=0) as file:
        expected = seals.hash_range(file, len(content))
        start, memory = 1000, memoryview(bytearray(5 << 20))
        for digest, is_damaged in [(expected, False), (expected[::-1], True)]:
            with Verified(file, "content", len(content), digest) as verified:
                assert verified.read_into(memory, start) == len(memory)
                assert memory == content[start : start + len(memory)]
                with open(path, "r+b") as other:  # the parts that were read are not read again
                    other.seek(1 << 20)
                    other.write(b"\0" * PART)
                if is_damaged:
                    with pytest.raises(ValueError, match="damaged"):
                        verified.check()
                else:
                    verified.check()
                path.write_bytes(content)
