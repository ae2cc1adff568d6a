"""Symbolic tensors: shapes found by tracing, nodes that record calls, and refusals where values would be needed."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, layers, ops
from jaxlayers.core import SymbolicTensor, inference, operation


def tensor(*shape, dtype="float32"):
    return SymbolicTensor(shape, dtype)


@operation("a", "b")
def weighted(a, b, scale=1.0, *, bias=None):
    assert isinstance(a, jax.Array) and (isinstance(b, jax.Array | float | int))
    result = a * b * scale
    return result if bias is None else result + bias


def test_a_tensor_is_a_shape_a_dtype_and_a_name():
    a = SymbolicTensor([None, np.int64(3)], "float16", name="a")
    assert (a.shape, a.dtype, a.ndim, a.name, a.node, a.mask) == ((None, 3), "float16", 2, "a", None, None)
    assert "(None, 3)" in repr(a) and "float16" in repr(a) and "a" in repr(a)
    assert SymbolicTensor((2,)).dtype == "float32" and tensor(1).name != tensor(1).name
    assert len(tensor(2, None)) == 2
    with pytest.raises(TypeError, match="len"):
        len(tensor(None, 2))
    assert len({a, tensor(1)}) == 2


@pytest.mark.parametrize(
    "use", [np.asarray, float, int, bool, list, np.sum, lambda t: t[None] + np.asarray(t)], ids=range(7)
)
def test_values_are_refused_with_the_way_out(use):
    with pytest.raises(TypeError, match=r"jaxlayers.ops") as error:
        use(tensor(None, 3))
    assert "(None, 3)" in str(error.value) and "Layer" in str(error.value)


@pytest.mark.parametrize("use", [jnp.sum, jnp.exp, jnp.asarray, jax.lax.exp, jax.jit(lambda a: a)], ids=range(5))
def test_jax_refuses_them(use):
    with pytest.raises((TypeError, ValueError)):
        use(tensor(None, 3))


BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", BINARY)
def test_operators_record_and_know_their_shape(name):
    function = getattr(operator, name)
    t = tensor(None, 3)
    for other in (2.0, np.ones(3, "float32"), jnp.ones((5, 1, 3)), tensor(None, 1), Variable([1.0, 2.0, 3.0])):
        result = function(t, other)
        expected = np.broadcast_shapes(
            (7, 3), tuple(7 if n is None else n for n in np.shape(other) or getattr(other, "shape", ()))
        )
        assert result.shape == tuple(None if n == 7 else n for n in expected)
        assert result.dtype == ("bool" if name in ("lt", "le", "gt", "ge", "eq", "ne") else "float32")
        assert result.node is not None and t in result.node.inputs
        if not isinstance(other, SymbolicTensor | np.ndarray | jax.Array | Variable):
            assert function(other, t).shape == (None, 3)


def test_reflected_operators_keep_the_order():
    t, array = tensor(None, 3), np.arange(1.0, 7.0, dtype="float32").reshape(2, 3)
    for function in (operator.sub, operator.truediv, operator.pow):
        for other in (2.0, jnp.asarray([1.0, 2.0, 3.0])):
            node = function(other, t).node
            args = [array if a is t else a for a in node.args]
            np.testing.assert_allclose(node.function(*args), function(np.asarray(other), array), rtol=1e-5)
    node = (jnp.ones((2, 5)) @ tensor(5, 4)).node
    assert node.outputs.shape == (2, 4)


def test_unary_operators_and_methods():
    t = tensor(None, 3, 4)
    assert (-t).shape == abs(t).shape == t.shape and (~tensor(2, dtype="bool")).dtype == "bool"
    assert t[:, 0].shape == (None, 4) and t[..., None, :2].shape == (None, 3, 1, 2) and t[0].shape == (3, 4)
    assert t.reshape(-1, 12).shape == (None, 12) and t.reshape((-1, 6)).shape == (None, 6)
    assert t.astype("int32").dtype == "int32" and t.T.shape == (4, 3, None)


def test_unknown_sizes_stay_unknown_and_known_ones_are_found():
    @operation("a")
    def split(a):
        return {"first": a[:, :2], "rest": (a.reshape(a.shape[0] * 3, -1), jnp.zeros((4, a.shape[1])), a.sum())}

    out = split(tensor(None, 6))
    assert out["first"].shape == (None, 2) and [t.shape for t in out["rest"]] == [(None, 2), (4, 6), ()]
    assert out["first"].node is out["rest"][2].node and all(
        map(operator.is_, jax.tree.leaves(out["first"].node.outputs), jax.tree.leaves(out))
    )
    assert split(tensor(2, 6))["rest"][0].shape == (6, 2)


def test_operations_run_as_they_are_on_arrays():
    x = np.array([1.0, 2.0], "float32")
    for a in (x, jnp.asarray(x), list(x), tuple(x), Variable(x)):
        np.testing.assert_allclose(weighted(a, x, scale=3.0), 3 * x**2)
        np.testing.assert_allclose(weighted(a=a, b=2.0, bias=x), 3 * x)
    assert isinstance(weighted(x, 2.0), jax.Array)
    np.testing.assert_allclose(weighted([Variable(1.0), 2.0], 2.0), [2.0, 4.0])
    assert weighted.__name__ == "weighted"
    half = jnp.ones(2, "bfloat16")
    assert weighted(half, 2.0).dtype == jnp.bfloat16  # Python scalars take on the other's dtype


def test_an_operation_names_its_parameters():
    with pytest.raises(TypeError, match="nothing"):

        @operation("nothing")
        def function(a):
            return a


def test_a_recorded_call_runs_again_on_arrays():
    t, u = tensor(None, 3), tensor(None, 3)
    result = weighted(t, u, 2.0, bias=np.ones(3, "float32"))
    node = result.node
    assert node.inputs == [t, u] and result.shape == (None, 3)
    values = {id(t): jnp.full((2, 3), 2.0), id(u): jnp.full((2, 3), 5.0)}
    args = [values.get(id(a), a) for a in node.args]
    np.testing.assert_allclose(node.function(*args, **node.kwargs), np.full((2, 3), 21.0))


def test_operations_inside_operations_record_once():
    @operation("a")
    def outer(a):
        return ops.add(ops.multiply(a, 2.0), 1.0)

    result = outer(tensor(None, 3))
    assert result.node.args[0].node is None  # not a chain of inner nodes


@pytest.mark.parametrize(
    "make",
    [lambda t: ops.matmul(t, np.ones((4, 2), "float32")), lambda t: ops.reshape(t, (7, 7)), lambda t: t[:, :, 0]],
)
def test_wrong_shapes_are_refused_when_recorded(make):
    with pytest.raises((TypeError, ValueError, IndexError)):
        make(tensor(None, 3))


# Layers.


def test_a_layer_called_on_a_symbolic_tensor_is_built_and_records():
    dense = layers.Dense(4)
    out = dense(jl.Input((3,)))
    assert out.shape == (None, 4) and dense.built and dense.kernel.shape == (3, 4) and out.node.function is dense
    assert layers.Dense(2)(layers.BatchNormalization()(jl.Input((5, 3), batch_size=7))).shape == (7, 5, 2)


def test_symbolic_calls_change_no_state():
    class Counting(jl.Layer):
        def __init__(self):
            super().__init__()
            self.count = Variable(0.0, trainable=False)

        def call(self, inputs):
            self.count.assign_add(1.0)
            self.add_loss(inputs.sum())
            return inputs

    layer = Counting()
    for _ in range(2):
        layer(jl.Input((3,)))
    assert float(layer.count.value) == 0 and layer.losses == []
    start = jl.core.random.global_generator().state.numpy()
    layers.Dropout(0.5)(jl.Input((3,)), training=True)
    np.testing.assert_array_equal(jl.core.random.global_generator().state, start)


def test_a_mix_of_arrays_and_symbolic_tensors():
    class Adding(jl.Layer):
        def call(self, inputs, other=None):
            return inputs[0] + inputs[1] + other

    out = Adding()([jl.Input((3,)), jnp.ones((1, 3))], other=np.ones(3, "float32"))
    assert out.shape == (None, 3)


def test_inputs_that_do_not_fit_are_refused_before_anything_is_built(picture):
    dense = layers.Dense(4, name="d")
    before = picture(dense)
    with pytest.raises(ValueError, match="'d'"):
        dense(jl.Input(()))
    assert picture(dense) == before
    dense(jl.Input((3,)))
    before = picture(dense)
    with pytest.raises(ValueError, match="'d'"):
        dense(jl.Input((5,)))
    assert picture(dense) == before


def test_inference_leaves_layers_as_they_are(picture):
    net = jl.Sequential([layers.Dense(3), layers.BatchNormalization()])
    before = picture(net)
    spec = net.compute_output_spec(tensor(None, 5))
    assert spec.shape == (None, 3) and spec.dtype == "float32" and picture(net) == before
    assert inference.infer(lambda a, b: (a @ b, a.sum()), (tensor(None, 3), tensor(3, 2)), {}) == (
        ((None, 2), "float32"),
        ((), "float32"),
    )


def test_dtypes_follow_the_policy():
    assert layers.Dense(2, dtype="mixed_bfloat16")(jl.Input((3,))).dtype == "bfloat16"
    assert layers.Embedding(5, 2)(jl.Input((3,), dtype="int32")).dtype == "float32"


def test_input_arguments():
    assert jl.Input((3,)).shape == (None, 3) and jl.Input((3,), batch_size=2).shape == (2, 3)
    assert jl.Input(batch_shape=(4, None)).shape == (4, None) and jl.Input((), dtype="int32").dtype == "int32"
    assert jl.Input((3,), name="mine").name == "mine"


class Declared(Layer):
    """Says what comes out of a call that cannot be traced."""

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], 2))

    def call(self, inputs):
        return np.asarray(inputs) @ self.w.numpy()

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


def test_a_declared_shape_serves_where_the_call_cannot_be_traced():
    inputs = jl.Input((3,))
    layer = Declared(dtype="float16")
    outputs = layer(inputs)
    assert (outputs.shape, outputs.dtype) == ((None, 2), "float16") and layer.w.shape == (3, 2)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float16")
    np.testing.assert_allclose(jl.Model(inputs, outputs)(x), x @ layer.w.numpy(), rtol=1e-3)
    spec = Declared().compute_output_spec(inputs)
    assert spec.shape == (None, 2)

    class Folding(Layer):  # of an unknown size, which no number stands for
        def call(self, inputs):
            return inputs.reshape(-1, 13, 17)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 13, 17)

    assert Folding()(jl.Input((None,))).shape == (None, 13, 17)

    class Silent(Folding):
        compute_output_shape = Layer.compute_output_shape

    with pytest.raises((TypeError, ValueError)):
        Silent()(jl.Input((None,)))


def test_a_declared_shape_of_several_inputs():
    class Outer(Layer):
        def call(self, rows, columns):
            raise RuntimeError("only on the host")

        def compute_output_shape(self, rows_shape, columns_shape):
            return {"table": (*rows_shape, columns_shape[-1]), "rows": rows_shape}

    found = Outer()(jl.Input((3,)), columns=jl.Input((4,)))
    assert found["table"].shape == (None, 3, 4) and found["rows"].shape == (None, 3)


def test_a_declared_spec_serves_where_the_call_cannot_be_traced():
    class Rounded(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return np.rint(np.asarray(inputs) * self.scale.numpy())[:, :2].astype("int32")

        def compute_output_spec(self, inputs):
            return jl.KerasTensor((inputs.shape[0], 2), dtype="int32")

    inputs = jl.Input((3,))
    layer = Rounded()
    outputs = layer(inputs)
    assert (outputs.shape, outputs.dtype) == ((None, 2), "int32") and layer.scale.shape == (3,)
    x = np.array([[0.2, 1.7, 3.0]], "float32")
    np.testing.assert_array_equal(jl.Model(inputs, outputs)(x), [[0, 2]])

    class Failing(Layer):
        def call(self, inputs):
            raise RuntimeError("the author's own error")

        def compute_output_spec(self, inputs):
            return super().compute_output_spec(inputs)

    with pytest.raises(RuntimeError, match="the author's own error"):
        Failing()(inputs)


def test_an_unknown_size_is_the_known_one_that_it_meets():
    rows = jl.Input((4,))
    assert (rows + np.ones((6, 4), "float32")).shape == (6, 4)
    assert ops.broadcast_to(jl.Input((10,))[:, None], (2, 3, 10)).shape == (2, 3, 10)
    assert ops.add(rows, jl.Input((4,), batch_size=16)).shape == (16, 4)
    assert (rows + np.ones((1, 4), "float32")).shape == (None, 4)
    with pytest.raises((TypeError, ValueError)):
        rows + np.ones((6, 3), "float32")


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda i: layers.Conv1D(3, 80, strides=16)(i), (None, None, 3)),
        (lambda i: layers.Conv1D(3, 100, strides=100, padding="same")(i), (None, None, 3)),
        (lambda i: layers.AveragePooling1D(4000)(i), (None, None, 2)),
        (lambda i: layers.Cropping1D(64)(i), (None, None, 2)),
        (lambda i: layers.Flatten()(layers.MaxPooling1D(100, padding="same")(i)), (None, None)),
        (lambda i: layers.Dense(1)(i), (None, None, 1)),
        (lambda i: ops.mean(i, axis=1, keepdims=True), (None, 1, 2)),
        (lambda i: layers.GlobalMaxPooling1D()(i), (None, 2)),
    ],
)
def test_windows_larger_than_the_sizes_that_are_tried(make, shape):
    assert make(jl.Input((None, 2))).shape == shape


def test_a_layer_that_a_small_size_does_not_suit_is_built_by_the_one_that_does():
    class Front(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(3), layers.Conv1D(2, 100)

        def call(self, x):
            return self.second(self.first(x))

    front = Front()
    assert front(jl.Input((None, 2))).shape == (None, None, 2)
    assert [v.shape for v in front.weights] == [(2, 3), (3,), (100, 3, 2), (2,)]
    assert front(jnp.ones((1, 120, 2))).shape == (1, 21, 2)

    class Folded(layers.Layer):
        def call(self, x):
            return x.reshape(-1, 13, 17)

    dense = layers.Dense(3)
    with pytest.raises(ValueError, match="Give Input that size"):
        dense(jl.Input((4, None)))
    assert not dense.built and not dense.weights
    assert layers.Conv1D(2, 10**6)(jl.Input((None, 2))).shape == (None, None, 2)
    with pytest.raises(TypeError) as caught:
        Folded()(jl.Input((None, 2)))
    assert any("multiples of 48 stand for" in note for note in caught.value.__notes__)
