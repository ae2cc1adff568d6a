"""A named place for one array: what it holds, how it changes, and that it stands wherever an array stands."""

import copy
import operator
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Variable
from jaxlayers.common import changes

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

VALUES = np.array([[1.5, -2.0, 3.0], [4.0, 0.5, -6.0]], "float32")


def module_level_initializer(shape, dtype="float32"):
    return jnp.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        3,
        True,
        [1.0, 2.0],
        [[1, 2], [3, 4]],
        np.arange(3, dtype="int8"),
        np.ones(2, "float16"),
        np.zeros((0, 2), "float32"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [None, "float32", "int32", "bfloat16"])
def test_dtype_and_value_are_those_of_keras(value, dtype):
    ours, theirs = Variable(value, dtype=dtype), keras.Variable(value, dtype=dtype)
    if dtype is not None or isinstance(value, float | np.ndarray) or value == [1.0, 2.0]:
        assert ours.dtype == theirs.dtype
    assert ours.shape == tuple(theirs.shape) and ours.trainable == theirs.trainable
    np.testing.assert_array_equal(np.asarray(ours, "float64"), np.asarray(value, "float64"))


def test_an_integer_stays_an_integer():
    assert Variable(3).dtype == "int32" and Variable([True]).dtype == "bool"
    assert Variable(np.array([1.0, 2.0])).dtype == "float32"


def test_python_floats_take_on_floatx(restored_settings):
    jl.config.set_floatx("bfloat16")
    assert Variable(1.0).dtype == "bfloat16" and Variable(module_level_initializer, (2,)).dtype == "bfloat16"
    assert Variable(np.float32(1.0)).dtype == "float32"


def test_lazy_until_it_is_read():
    calls = []

    def initializer(shape, dtype):
        calls.append((shape, dtype))
        return jnp.full(shape, 3, dtype)

    variable = Variable(initializer, shape=[2, 3], dtype="bfloat16", name="lazy")
    assert (variable.shape, variable.dtype, variable.ndim, variable.size, len(variable)) == (
        (2, 3),
        "bfloat16",
        2,
        6,
        2,
    )
    assert "lazy" in repr(variable) and "(2, 3)" in repr(variable) and variable.path == "lazy"
    assert calls == [] and variable.held is None
    assert variable.value is variable.value and variable.value.dtype == jnp.bfloat16
    assert calls == [((2, 3), "bfloat16")]


def test_a_lazy_one_can_be_assigned_before_it_is_made():
    variable = Variable(lambda shape, dtype: pytest.fail("not needed"), shape=(2,))
    variable.assign([1, 2])
    np.testing.assert_array_equal(variable, [1, 2])


@pytest.mark.parametrize("shape", [3, np.int64(3), (3,), [3]])
def test_shapes_come_as_numbers_lists_and_tuples(shape):
    assert Variable("ones", shape=shape).shape == (3,)


BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge"]


OTHERS = [2.5, np.full((2, 3), 2.0, "float32"), jnp.asarray([1.0, 2.0, 3.0]), Variable([3.0, 2.0, 2.0])]


@pytest.mark.parametrize(
    ("name", "other"), [(name, OTHERS[1]) for name in BINARY] + [("sub", other) for other in OTHERS], ids=repr
)
def test_binary_operators_on_both_sides(name, other):
    function, variable, plain = getattr(operator, name), Variable(VALUES), np.asarray(other)
    with np.errstate(invalid="ignore"):
        result, reflected = function(variable, other), function(other, variable)
        np.testing.assert_allclose(result, function(VALUES, plain), rtol=1e-5)
        np.testing.assert_allclose(reflected, function(plain, VALUES), rtol=1e-5)
    assert isinstance(result, jax.Array) and isinstance(reflected, jax.Array)


@pytest.mark.parametrize("function", [operator.add, operator.sub, operator.mul, operator.lt], ids=lambda f: f.__name__)
def test_lists_are_operands_as_in_keras(function):
    ours, theirs = Variable(VALUES), keras.Variable(VALUES)
    np.testing.assert_array_equal(function(ours, [1.0, 2.0, 3.0]), function(theirs, [1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(function([1.0, 2.0, 3.0], ours), function([1.0, 2.0, 3.0], theirs))
    np.testing.assert_array_equal(ours.assign_add([1.0, 2.0, 3.0]), VALUES + np.array([1, 2, 3]))
    np.testing.assert_array_equal(ours.assign_sub([1.0, 2.0, 3.0]), VALUES)


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift", "floordiv", "mod"])
def test_integer_operators(name):
    function, values = getattr(operator, name), np.array([5, 9, 12], "int32")
    np.testing.assert_array_equal(function(Variable(values), np.int32(2)), function(values, 2))
    np.testing.assert_array_equal(
        function(np.array([90, 3, 4], "int32"), Variable(values)), function(np.array([90, 3, 4]), values)
    )


def test_divmod_on_both_sides():
    np.testing.assert_array_equal(divmod(Variable(VALUES), 2.0), divmod(VALUES, 2.0))
    np.testing.assert_array_equal(divmod(7.0, Variable([2.0, -3.0])), divmod(7.0, np.array([2.0, -3.0], "float32")))


def test_matmul_on_both_sides():
    variable = Variable(VALUES)
    np.testing.assert_allclose(variable @ VALUES.T, VALUES @ VALUES.T, rtol=1e-6)
    np.testing.assert_allclose(VALUES.T @ variable, VALUES.T @ VALUES, rtol=1e-6)
    np.testing.assert_allclose(jnp.asarray(VALUES.T) @ variable, VALUES.T @ VALUES, rtol=1e-6)


def test_unary_operators_and_conversions():
    variable, flags = Variable(VALUES), Variable([True, False])
    np.testing.assert_array_equal(-variable, -VALUES)
    np.testing.assert_array_equal(+variable, VALUES)
    np.testing.assert_array_equal(abs(variable), abs(VALUES))
    np.testing.assert_array_equal(~flags, [False, True])
    np.testing.assert_array_equal(round(variable, 0), np.round(VALUES))
    scalar = Variable(2.5)
    assert (float(scalar), int(scalar), bool(scalar), f"{scalar:.2f}") == (2.5, 2, True, "2.50")
    assert [10, 20, 30][Variable(1)] == 20 and complex(scalar) == 2.5 + 0j
    with pytest.raises((ValueError, TypeError)):
        bool(variable)


def test_it_is_indexed_iterated_and_measured():
    variable = Variable(VALUES)
    np.testing.assert_array_equal(variable[1, ::-1], VALUES[1, ::-1])
    np.testing.assert_array_equal(variable[Variable(1)], VALUES[1])
    np.testing.assert_array_equal([row.sum() for row in variable], VALUES.sum(1))
    assert len(variable) == 2
    with pytest.raises(TypeError, match="len"):
        len(Variable(1.0))


def test_what_arrays_have_it_has():
    variable = Variable(VALUES)
    np.testing.assert_array_equal(variable.at[0, 1].set(9.0), [[1.5, 9, 3], VALUES[1]])
    np.testing.assert_array_equal(variable.T, VALUES.T)
    np.testing.assert_array_equal(variable.reshape(3, 2), VALUES.reshape(3, 2))
    assert (
        variable.sum() == VALUES.sum() and variable.mean(0).shape == (3,) and variable.astype("int32").dtype == "int32"
    )
    assert variable.tolist() == VALUES.tolist() and variable.tobytes() == VALUES.tobytes()
    assert variable.block_until_ready() is variable.value and variable.devices() == variable.value.devices()
    np.testing.assert_array_equal(np.from_dlpack(variable), VALUES)
    with pytest.raises(AttributeError, match="no_such_thing"):
        variable.no_such_thing()
    assert not hasattr(variable, "_private")


def test_jax_and_numpy_take_it():
    variable = Variable(VALUES)
    np.testing.assert_allclose(jnp.exp(variable), np.exp(VALUES), rtol=1e-6)
    np.testing.assert_allclose(jnp.where(variable > 0, variable, 0), np.maximum(VALUES, 0))
    np.testing.assert_allclose(np.square(variable), VALUES**2)
    np.testing.assert_allclose(np.concatenate([variable, variable]), np.concatenate([VALUES, VALUES]))
    np.testing.assert_allclose(jax.nn.relu(variable.value), np.maximum(VALUES, 0))
    np.testing.assert_allclose(jax.lax.dot(jnp.asarray(variable), VALUES.T), VALUES @ VALUES.T, rtol=1e-6)
    assert isinstance(variable.numpy(), np.ndarray) and np.asarray(variable, "int32").dtype == np.int32


def test_in_a_pytree_it_is_its_array():
    variable = Variable(VALUES)
    assert jax.tree.leaves({"a": [variable]})[0] is variable.value
    np.testing.assert_allclose(jax.jit(lambda tree: tree["v"] * 2)({"v": variable}), VALUES * 2)
    np.testing.assert_allclose(jax.grad(lambda v: (v**2).sum())(variable), VALUES * 2)
    doubled = jax.tree.map(lambda a: a * 2, variable)
    assert isinstance(doubled, jax.Array)


def test_equality_of_lists_goes_by_identity():
    a, b = Variable(1.0), Variable(1.0)
    assert [a, b] == [a, b] and len({a, b, a}) == 2


def test_assign_casts_copies_and_returns():
    variable, source = Variable(VALUES, dtype="float32"), np.arange(6, dtype="int64").reshape(2, 3)
    returned = variable.assign(source)
    source[0] = 99
    np.testing.assert_array_equal(variable, np.arange(6).reshape(2, 3))
    assert returned is variable.value and returned.dtype == "float32" and variable.dtype == "float32"
    np.testing.assert_array_equal(variable.assign_add(np.ones((2, 3), "int32")), np.arange(6).reshape(2, 3) + 1)
    np.testing.assert_array_equal(variable.assign_sub(Variable(2.0)), np.arange(6).reshape(2, 3) - 1)
    np.testing.assert_array_equal(variable.assign(Variable(VALUES)), VALUES)
    scalar = Variable(1.0)
    scalar.assign(2)
    assert not scalar.value.weak_type and scalar.value.dtype == "float32"
    scalar.assign(jnp.asarray(1.0) * 2)
    assert not scalar.value.weak_type


def test_an_array_given_to_it_may_change_afterwards():
    source = VALUES.copy()
    variable = Variable(source)
    source[:] = 0
    np.testing.assert_array_equal(variable, VALUES)


@pytest.mark.parametrize("value", [np.zeros((3, 2)), np.zeros(3), 1.0, np.zeros((1, 2, 3))], ids=np.shape)
def test_another_shape_is_refused(value, picture):
    variable = Variable(VALUES, name="kernel")
    before = picture(variable)
    with pytest.raises(ValueError, match="'kernel'") as error:
        variable.assign(value)
    assert "(2, 3)" in str(error.value) and str(np.shape(value)) in str(error.value)
    with pytest.raises(ValueError, match=r"\(2, 2, 3\)"):
        variable.assign_add(np.zeros((2, 1, 1)))
    assert picture(variable) == before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Variable("ones"), ["needs a shape"]),
        (lambda: Variable("ones", shape=(2, None)), ["shape", "known"]),
        (lambda: Variable("ones", shape=(-1,)), ["shape", "known"]),
        (lambda: Variable(1.0, name="a/b"), ["'/'", "a/b"]),
        (lambda: Variable(1.0, name=3), ["string", "3"]),
        (lambda: Variable(np.ones(3), shape=(2,)), ["(3,)", "(2,)"]),
        (lambda: Variable(1.0, dtype="floaty"), ["floaty"]),
        (lambda: Variable("onez", shape=(2,)), ["onez", "ones"]),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError) as error:
        make()
    for word in words:
        assert word in str(error.value)


def test_it_cannot_start_from_a_traced_value():
    with pytest.raises(ValueError, match="traced"):
        jax.jit(lambda a: Variable(a, name="v") * 2)(1.0)


@bare_jit
def test_made_while_something_else_is_traced_it_holds_a_concrete_array():
    made = []

    def traced(a):
        made.append(Variable([1.0, 2.0]))
        made.append(Variable(module_level_initializer, (2,)))
        return a * made[0] + made[1]

    with jax.checking_leaks():
        jax.jit(traced)(2.0)
    np.testing.assert_array_equal(made[0], [1.0, 2.0])
    np.testing.assert_array_equal(made[1], [0.0, 1.0])


def test_deepcopy_and_pickle_are_apart_from_the_original():
    for original in (Variable(VALUES, name="v", trainable=False), Variable(module_level_initializer, (2, 3), name="v")):
        for twin in (copy.deepcopy(original), copy.copy(original), pickle.loads(pickle.dumps(original))):
            assert (twin.name, twin.shape, twin.dtype, twin.trainable) == ("v", (2, 3), "float32", original.trainable)
            before = original.numpy().copy()
            np.testing.assert_array_equal(twin, original)
            twin.assign(np.zeros((2, 3)))
            np.testing.assert_array_equal(original, before)


def test_a_copy_survives_a_step_that_donates():
    original = Variable(VALUES)
    step = jl.jit(lambda: original.assign_add(1.0) * 0)
    step()
    twin, view, held = copy.deepcopy(original), original.numpy(), original.value
    step()
    for kept in (twin, view, held):
        np.testing.assert_array_equal(kept, VALUES + 1)
    np.testing.assert_array_equal(original, VALUES + 2)


def test_trainable_constraint_and_regularizer_are_switched():
    variable = Variable([3.0, -4.0], regularizer="l2", constraint="non_neg")
    assert float(variable.regularizer(variable.value)) == pytest.approx(0.25)
    np.testing.assert_array_equal(variable.constraint(variable.value), [3, 0])
    variable.regularizer = variable.constraint = None
    assert variable.regularizer is None and variable.constraint is None
    before = changes.count()
    variable.trainable = True
    assert changes.count() == before  # nothing changed
    variable.trainable = False
    assert not variable.trainable and changes.count() != before


def test_sharding_is_kept():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    variable = Variable("ones", shape=(2,), sharding=sharding)
    assert variable.value.sharding == sharding
    variable.assign(np.zeros(2))
    assert variable.value.sharding == sharding


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_arrays_like_a_variable(dtype):
    variable = Variable(np.arange(6).reshape(2, 3), dtype=dtype, trainable=False)

    def like():
        return jnp.zeros_like(variable), jnp.ones_like(variable), jnp.full_like(variable, 2), jnp.result_type(variable)

    *made, found = like()
    assert [(a.shape, a.dtype) for a in made] == [((2, 3), dtype)] * 3 and found == dtype
    np.testing.assert_array_equal(jl.jit(lambda: like()[0] + variable)(), variable.numpy())
    assert np.stack([variable, variable]).shape == (2, 2, 3) and np.zeros_like(variable).dtype == dtype
    np.testing.assert_array_equal(np.concatenate([variable, variable], axis=0)[2:], variable.numpy())


def test_dtypes_by_pythons_names():
    assert jl.Variable([1, 2], dtype="int").dtype == jl.Variable([1, 2], dtype=int).dtype == "int32"
    assert jl.Variable([1, 2], dtype="float").dtype == "float32"
