"""The small tables: settings, names, registry, dtype policies, input specs, call signatures."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import DTypePolicy, InputSpec, Layer, layers
from jaxlayers.common import dtype_policies, registry, settings

pytestmark = pytest.mark.usefixtures("restored_settings")


@pytest.fixture(autouse=True)
def no_table_of_fruit():
    yield
    registry._tables.pop("fruit", None)


# Settings.


@pytest.mark.parametrize("dtype", [
    "float32", "bfloat16", "half", "int64", "bool", np.float32, np.dtype("uint8"), jnp.bfloat16,
    jnp.dtype("int8"), int, float, bool,
    np.int16, None, "complex64",
], ids=str)  # fmt: skip
def test_dtypes_have_one_name(dtype):
    ours = settings.standardize_dtype(dtype)
    assert isinstance(ours, str) and (dtype is None or jnp.dtype(ours) == jnp.dtype(dtype) or dtype in (int, float))
    if dtype in ("float32", "bfloat16", "int64", "bool", None, int, float):
        assert ours == keras.backend.standardize_dtype(dtype)


def test_the_dtype_of_a_key_and_what_is_none():
    assert settings.standardize_dtype(jax.random.key(0).dtype).startswith("key<")
    for wrong in ("float33", object(), "floatt", [1]):
        with pytest.raises(ValueError, match="dtype"):
            settings.standardize_dtype(wrong)


def test_what_is_float():
    assert all(settings.is_float(d) for d in ("float32", "bfloat16", np.float16, jnp.float64))
    assert not any(settings.is_float(d) for d in ("int32", "bool", "uint8", "complex64", np.int8))


@pytest.mark.parametrize(
    "name",
    ["Dense", "LayerNormalization", "LSTMCell", "Conv2DTranspose", "GRU", "MyHTTPLayer2", "a", "_Private", "RMSProp"],
)
def test_snake_case_is_that_of_keras(name):
    from keras.src.utils.naming import to_snake_case

    assert settings.to_snake_case(name) == to_snake_case(name)


def test_made_up_names_count_up():
    settings.reset_auto_names()
    assert [settings.auto_name("thing") for _ in range(3)] == ["thing", "thing_1", "thing_2"]
    assert settings.auto_name("other") == "other"
    settings.reset_auto_names()
    assert settings.auto_name("thing") == "thing"


@pytest.mark.parametrize(
    ("setter", "bad"), [("set_floatx", "int32"), ("set_floatx", np.float32), ("set_image_data_format", "NHWC")]
)
def test_settings_are_checked(setter, bad):
    before = dict(settings._settings)
    with pytest.raises(ValueError, match="must be"):
        getattr(settings, setter)(bad)
    assert settings._settings == before


def test_settings_decide_the_defaults():
    settings.set_floatx("float16")
    settings.set_epsilon(1e-3)
    settings.set_image_data_format("channels_first")
    assert (settings.floatx(), settings.epsilon(), settings.image_data_format()) == ("float16", 1e-3, "channels_first")
    assert layers.Dense(2).compute_dtype == "float16" and settings.standardize_dtype(float) == "float16"


# Registry.


class Apple:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def pear(x):
    return x


def test_lookup_takes_names_configs_classes_and_things():
    registry.register("fruit", {"Apple": Apple, "apple": Apple, "pear": pear})
    assert registry.lookup("fruit", None) is None and registry.lookup("fruit", "pear") is pear
    assert registry.lookup("fruit", pear) is pear and isinstance(registry.lookup("fruit", Apple), Apple)
    assert isinstance(registry.lookup("fruit", "apple"), Apple)
    assert registry.lookup("fruit", {"class_name": "Apple", "config": {"size": 3}}).size == 3
    assert registry.lookup("fruit", {"class_name": "Apple"}).size == 1
    assert registry.lookup("fruit", {"class_name": "pear", "config": None}) is pear
    assert set(registry.names("fruit")) == {"Apple", "apple", "pear"} and registry.names("nothing") == {}
    registry.names("fruit").clear()
    assert registry.lookup("fruit", "pear") is pear


@pytest.mark.parametrize(("identifier", "kind", "words"), [
    ("aple", ValueError, ["fruit", "'aple'", "'apple'"]),
    ("zzz", ValueError, ["fruit", "'zzz'", "apple", "pear"]),
    ({"config": {}}, ValueError, ["class_name", "config"]),
    ({"class_name": "Plum", "config": {}}, ValueError, ["Plum"]),
    (3, TypeError, ["fruit", "3", "int"]),
    ([pear], TypeError, ["fruit", "list"]),
])  # fmt: skip
def test_unknown_identifiers(identifier, kind, words):
    registry.register("fruit", {"Apple": Apple, "apple": Apple, "pear": pear})
    with pytest.raises(kind) as error:
        registry.lookup("fruit", identifier)
    for word in words:
        assert word in str(error.value)


def test_nothing_is_imported_by_a_string():
    with pytest.raises(ValueError, match="Unknown"):
        registry.lookup("fruit", "os.system")
    with pytest.raises(ValueError, match="Unknown"):
        registry.lookup("fruit", {"module": "os", "class_name": "system", "config": {}})


def test_describe_is_what_lookup_takes():
    registry.register("fruit", {"Apple": Apple, "pear": pear})
    assert registry.describe(None) is None and registry.describe([1, {"a": "b"}]) == [1, {"a": "b"}]
    function = {"module": "builtins", "class_name": "function", "config": "pear", "registered_name": "function"}
    assert registry.describe(pear) == function and registry.lookup("fruit", function) is pear
    config = registry.describe(Apple(4))
    assert config == {"module": "keras.fruits", "class_name": "Apple", "config": {"size": 4}, "registered_name": None}
    assert registry.lookup("fruit", config).size == registry.lookup(None, config).size == 4
    assert registry.revive({"inside": [config]})["inside"][0].size == 4

    class Plum(Apple):
        pass

    config = registry.describe(Plum())
    assert config["registered_name"] == "Plum" and config["module"] == __name__
    with pytest.raises(ValueError, match=r"(?s)'Plum'.*custom_objects"):
        registry.lookup("fruit", config)
    assert isinstance(registry.lookup("fruit", config, {"Plum": Plum}), Plum)
    other = lambda x: x
    for wrong in (other, object(), Apple):
        with pytest.raises(TypeError, match="get_config"):
            registry.describe(wrong)
    other.__name__ = "pear"
    with pytest.raises(TypeError, match="another function"):
        registry.describe(other)


# Dtype policies.


@pytest.mark.parametrize(
    "name", ["float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16", "int8", "uint8"]
)
def test_policies_are_those_of_keras(name):
    ours, theirs = DTypePolicy(name), keras.DTypePolicy(name)
    assert (ours.name, ours.compute_dtype, ours.variable_dtype) == (
        theirs.name,
        theirs.compute_dtype,
        theirs.variable_dtype,
    )
    assert ours.get_config() == theirs.get_config() and dtype_policies.serialize(
        ours
    ) == keras.dtype_policies.serialize(theirs)
    assert DTypePolicy.from_config(ours.get_config()) == ours == dtype_policies.get(dtype_policies.serialize(ours))
    assert hash(ours) == hash(DTypePolicy(name)) and name in repr(ours)


def test_policies_are_got_and_set():
    assert dtype_policies.get(None).name == "float32" and dtype_policies.get(np.float16).name == "float16"
    policy = DTypePolicy("mixed_bfloat16")
    assert dtype_policies.get(policy) is policy and policy != DTypePolicy("bfloat16") and policy != "mixed_bfloat16"
    dtype_policies.set_dtype_policy("mixed_bfloat16")
    assert dtype_policies.dtype_policy() == policy == DTypePolicy() and layers.Dense(1).compute_dtype == "bfloat16"
    dtype_policies.set_dtype_policy(None)
    settings.set_floatx("float16")
    assert dtype_policies.dtype_policy().name == "float16"


@pytest.mark.parametrize(
    ("bad", "kind"), [("mixed_float32", ValueError), ("float33", ValueError), (3, TypeError), (["float32"], TypeError)]
)
def test_other_policies_are_refused(bad, kind):
    with pytest.raises(kind, match="policy"):
        DTypePolicy(bad)


# Input specs.


def check(spec, value):
    """Call a layer with that spec."""

    class Taking(Layer):
        def call(self, inputs):
            return 0

    layer = Taking(name="layer")
    layer.input_spec = spec
    layer.built = True
    layer(value)


@pytest.mark.parametrize("arguments", [
    {"ndim": 2}, {"shape": (None, 3)}, {"shape": (2, None, 4)}, {"min_ndim": 2}, {"max_ndim": 2}, {"axes": {-1: 3}},
    {"axes": {1: None}},
    {"dtype": "int32"}, {"dtype": "float32", "ndim": 2}, {"min_ndim": 1, "max_ndim": 3, "axes": {0: 2}},
    {},
], ids=str)  # fmt: skip
def test_what_fits_is_what_fits_in_keras(arguments):
    from keras.src.layers.input_spec import assert_input_compatibility

    ours, theirs = InputSpec(**arguments), keras.layers.InputSpec(**arguments)
    for shape in [(), (3,), (2, 3), (2, 4), (2, 3, 1), (2, 3, 4), (2, 5, 4), (2, 3, 4, 5)]:
        value = np.ones(shape, "float32")
        try:
            assert_input_compatibility(theirs, value, "layer")
        except (ValueError, IndexError):
            with pytest.raises(ValueError, match="'layer'") as error:
                check(ours, value)
            assert str(shape) in str(error.value) and "float32" in str(error.value)
        else:
            check(ours, value)


@pytest.mark.parametrize(("spec", "fits", "does_not"), [
    ((None, 3, 1), [(2, 3, 1), (2, 3)], [(2, 3, 4), (2,), (2, 4), ()]),
    ((None, 3), [(2, 3), (2, 3, 1)], [(2, 3, 2), (3,), (2, 4, 1), (2, 3, 1, 1)]),
])  # fmt: skip
def test_a_last_axis_of_one_may_be_missing_or_too_much(spec, fits, does_not):
    from keras.src.layers.input_spec import assert_input_compatibility

    ours = InputSpec(shape=spec, allow_last_axis_squeeze=True)
    for shape in fits:
        check(ours, np.ones(shape))
        assert_input_compatibility(
            keras.layers.InputSpec(shape=spec, allow_last_axis_squeeze=True), np.ones(shape), "layer"
        )
    for shape in does_not:  # Keras lets some of these pass
        with pytest.raises(ValueError, match="'layer'"):
            check(ours, np.ones(shape))


def test_unknown_sizes_fit():
    assert InputSpec(shape=(2, 3)).problem((None, 3), "float32") is None
    assert InputSpec(axes={-1: 3}).problem((2, None), "float32") is None
    assert InputSpec(shape=(2, 3)).problem((None, 4), "float32") is not None


def test_specs_of_several_inputs():
    one, two = InputSpec(ndim=2), InputSpec(ndim=1, name="second")
    array, vector = jnp.ones((2, 3)), jnp.ones(3)
    check([one, two], [array, vector])
    check({"a": one, "b": two}, {"a": array, "b": vector})
    check([one, InputSpec(ndim=1, optional=True)], [array, vector])
    for spec, value, words in [([one, two], [array], "2 inputs"), ([one, two], [vector, vector], "input 0"),
                               ([one, two], [array, array], "second"),
                               ({"a": one, "b": two}, {"a": array, "b": array}, "second"),
                               ({"a": one}, {"b": array}, "a")]:  # fmt: skip
        with pytest.raises(ValueError, match="layer") as error:
            check(spec, value)
        assert words in str(error.value)


def test_an_optional_input_may_be_missing():
    specs = [InputSpec(ndim=2), InputSpec(ndim=1, optional=True)]
    check(specs, [jnp.ones((2, 3)), None])
    with pytest.raises(ValueError, match="layer"):
        check([InputSpec(ndim=2), InputSpec(ndim=1)], [jnp.ones((2, 3)), None])


def test_specs_have_configs():
    spec = InputSpec(shape=(None, 3), dtype="float32", axes={-1: 3})
    assert InputSpec.from_config(spec.get_config()).get_config() == spec.get_config() and "axes={-1: 3}" in repr(spec)
    theirs = keras.layers.InputSpec(shape=(None, 3), dtype="float32", axes={-1: 3}).get_config()
    assert {name: spec.get_config()[name] for name in theirs} == theirs


# Signatures.


def test_signatures_are_read_once_for_each_class():
    class Plain(Layer):
        def call(self, inputs):
            return inputs

    class Full(Plain):
        def call(self, query, value=None, *, mask=None, value_mask=None, training=False, **kwargs):
            return query

    assert Plain()._call_spec is Plain()._call_spec is not Full._call_spec
    assert (
        not Plain._call_spec.has_training and Full._call_spec.training_default is False and Full._call_spec.open_ended
    )
    assert Full._call_spec.takes_masks == {"mask", "value_mask"} and not Full._call_spec.makes_masks
    named = Full._call_spec.named((1, 2), {"training": True})
    assert named == {"query": 1, "value": 2, "training": True}


def test_a_call_behind_a_decorator():
    def decorator(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Decorated(Layer):
        @decorator
        def call(self, inputs, training=False):
            return inputs * (2.0 if training else 1.0)

    layer = Decorated()
    np.testing.assert_array_equal(layer(np.ones(2, "float32"), training=True), [2, 2])
    np.testing.assert_array_equal(jl.Sequential([layer])(np.ones(2, "float32"), training=True), [2, 2])


def test_call_set_on_an_object():
    """As tests and notebooks do: the class's signature still counts."""
    layer = layers.Dense(2)
    layer.call = lambda inputs: inputs * 3
    np.testing.assert_array_equal(layer(jnp.ones((1, 2))), [[3, 3]])


def test_a_dtype_of_numpys_is_what_jax_makes_of_it():
    wide = np.dtype("float64"), np.dtype("int64")
    assert [settings.standardize_dtype(dtype) for dtype in wide] == ["float32", "int32"]
    with jax.enable_x64(True):
        assert [settings.standardize_dtype(dtype) for dtype in wide] == ["float64", "int64"]
        assert jl.ops.zeros((2,), dtype=wide[0]).dtype == "float64"
        assert jl.Variable(jnp.ones(3, "float64")).dtype == "float64"
        assert jl.layers.Dense(3, dtype="float64")(jl.Input((6,), dtype="float64")).dtype == "float64"
        assert settings.standardize_dtype(int) == settings.standardize_dtype("int") == "int32"
