"""The public settings and dtype policies."""

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import config, dtype_policies
from jaxlayers.common import settings

# Of Keras's settings, two exist because it serves several backends, and one would make every file dangerous to open:
# here only a call's own safe_mode=False lets code be rebuilt.
ELSEWHERE = {"enable_unsafe_deserialization", "is_nnx_enabled", "set_backend"}
ADDED = {"disable_platform_code", "enable_platform_code", "is_platform_code_enabled"}  # of ours


pytestmark = pytest.mark.usefixtures("restored_settings")


def test_names_are_those_of_keras():
    theirs = {name for name in dir(keras.config) if not name.startswith("_")}
    assert set(config.__all__) == (theirs - ELSEWHERE) | ADDED


def test_defaults_are_those_of_keras():
    for name in ("backend", "floatx", "epsilon", "image_data_format", "is_traceback_filtering_enabled"):
        assert getattr(config, name)() == getattr(keras.config, name)()
    assert config.dtype_policy().name == keras.config.dtype_policy().name


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [("floatx", "float16", "int8"), ("image_data_format", "channels_first", "channels_middle")],
)
def test_settings_are_set_and_checked(name, value, wrong):
    before = getattr(config, name)()
    with pytest.raises(ValueError, match=wrong):
        getattr(config, f"set_{name}")(wrong)
    assert getattr(config, name)() == before
    getattr(config, f"set_{name}")(value)
    assert getattr(config, name)() == value == getattr(settings, name)()


def test_epsilon():
    config.set_epsilon(1e-3)
    assert config.epsilon() == settings.epsilon() == 1e-3


def test_traceback_filtering():
    config.disable_traceback_filtering()
    assert not config.is_traceback_filtering_enabled()
    config.enable_traceback_filtering()
    assert config.is_traceback_filtering_enabled()


def test_the_dtype_policy_follows_floatx_until_it_is_set():
    config.set_floatx("bfloat16")
    assert config.dtype_policy() == dtype_policies.DTypePolicy("bfloat16")
    config.set_dtype_policy("mixed_float16")
    assert config.dtype_policy().compute_dtype == "float16"


@pytest.mark.parametrize("name", ["float32", "bfloat16", "mixed_bfloat16", "mixed_float16"])
def test_dtype_policies(name):
    ours, theirs = dtype_policies.get(name), keras.dtype_policies.get(name)
    assert (ours.name, ours.compute_dtype, ours.variable_dtype) == (
        theirs.name,
        theirs.compute_dtype,
        theirs.variable_dtype,
    )
    data = dtype_policies.serialize(ours)
    assert data == keras.dtype_policies.serialize(theirs)
    assert dtype_policies.deserialize(data) == dtype_policies.get(data) == ours


def test_unknown_dtype_policies_are_refused():
    with pytest.raises(ValueError, match="Unknown dtype policy: 'Quantized'"):
        dtype_policies.deserialize({"class_name": "Quantized", "config": {}})

    class Mine(dtype_policies.DTypePolicy):
        pass

    data = {"class_name": "Mine", "config": {"name": "float32"}}
    assert type(dtype_policies.deserialize(data, custom_objects={"Mine": Mine})) is Mine


def test_bounds_for_trying_out():
    assert config.max_epochs() is None and config.max_steps_per_epoch() is None
    config.set_max_epochs(3)
    config.set_max_steps_per_epoch(4)
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (3, 4)
    for set_bound in (config.set_max_epochs, config.set_max_steps_per_epoch):
        for wrong in (0, -1, 2.5, True, "3"):
            with pytest.raises(ValueError, match="max_"):
                set_bound(wrong)
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (3, 4)
    config.set_max_epochs(None)
    assert config.max_epochs() is None


def test_switches():
    assert config.is_flash_attention_enabled() is None
    config.enable_flash_attention()
    assert config.is_flash_attention_enabled() is True
    config.disable_flash_attention()
    assert config.is_flash_attention_enabled() is False
    assert config.is_interactive_logging_enabled()
    config.disable_interactive_logging()
    assert not config.is_interactive_logging_enabled()
    config.enable_interactive_logging()
    assert config.is_interactive_logging_enabled()


MAPS = [
    (None, {}), ("float32", {"a/.*": "bfloat16", "b": "mixed_float16"}),
    ("mixed_bfloat16", {"encoder/dense": "float16"}),
]  # fmt: skip


@pytest.mark.parametrize(("default", "policies"), MAPS)
def test_policy_maps_are_those_of_keras(default, policies):
    made = {name: keras.DTypePolicy(policy) for name, policy in policies.items()}
    theirs = keras.dtype_policies.DTypePolicyMap(default, made)
    ours = dtype_policies.DTypePolicyMap(default, policies)
    assert (ours.name, ours.compute_dtype, ours.variable_dtype, len(ours)) == (
        theirs.name, theirs.compute_dtype, theirs.variable_dtype, len(theirs)
    )  # fmt: skip
    for path in ("a/x", "a", "b", "b/c", "encoder/dense", "encoder/dense/x"):
        assert ours[path].name == theirs[path].name and (path in ours) == (path in theirs)
    if default is not None:  # without one, Keras's get_config() makes the policies in the map forget what they are
        config = keras.dtype_policies.serialize(theirs)
        assert dtype_policies.serialize(ours) == config
        assert keras.dtype_policies.deserialize(dtype_policies.serialize(ours)).get_config() == theirs.get_config()
    again = dtype_policies.deserialize(dtype_policies.serialize(ours))
    assert again == ours and hash(again) == hash(ours) and dtype_policies.get(again) is again


def test_policy_maps_are_checked():
    policies = dtype_policies.DTypePolicyMap("float32", {"a/.*": "bfloat16", ".*/b": "float16"})
    with pytest.raises(ValueError, match=r"'a/b'.*several"):
        policies["a/b"]
    with pytest.raises(ValueError, match="already"):
        policies["a/.*"] = "float32"
    del policies["a/.*"]
    policies["c"] = "mixed_bfloat16"
    assert (
        list(policies) == [".*/b", "c"]
        and policies["c"].variable_dtype == "float32"
        and policies["a/x"].name == "float32"
    )
    with pytest.raises(ValueError, match="another map"):
        dtype_policies.DTypePolicyMap(policies)
    with pytest.raises(TypeError, match="dict"):
        dtype_policies.DTypePolicyMap("float32", ["a"])
    with pytest.raises(ValueError, match="policy"):
        policies["d"] = "float33"


def test_the_names_of_the_backend():
    public = {name for name in dir(keras.backend) if not name.startswith("_")}
    assert not {name for name in public if not callable(getattr(jl.backend, name, None))}
    assert jl.backend.backend() == "jax" and jl.backend.result_type() == "float32"
    dtypes = ["bfloat16", "float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool", None, int, float]
    for one in dtypes:
        assert jl.backend.result_type(one) == keras.backend.result_type(one)
        for name in ("is_float_dtype", "is_int_dtype"):
            assert getattr(jl.backend, name)(one) == getattr(keras.backend, name)(one)
        for other in dtypes:
            assert jl.backend.result_type(one, other) == keras.backend.result_type(one, other), (one, other)
    assert [jl.backend.get_uid("x"), jl.backend.get_uid("x"), jl.backend.get_uid("y")] == [1, 2, 1]
    jl.backend.clear_session()
    assert jl.backend.get_uid("x") == 1
    assert jl.backend.is_keras_tensor(jl.Input((1,))) and not jl.backend.is_keras_tensor(np.ones(1))
