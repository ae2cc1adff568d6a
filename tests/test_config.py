"""The public settings and dtype policies."""

import keras
import pytest

from jaxlayers import config, dtype_policies
from jaxlayers.core import settings

# Of Keras's settings, these exist because it serves several backends, or belong to training and to saving.
ELSEWHERE = {
    "disable_flash_attention",
    "disable_interactive_logging",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_unsafe_deserialization",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_max_epochs",
    "set_max_steps_per_epoch",
}


@pytest.fixture(autouse=True)
def restored():
    before = dict(settings._settings)
    yield
    settings._settings.update(before)
    config.set_dtype_policy(None)


def test_names_are_those_of_keras():
    theirs = {name for name in dir(keras.config) if not name.startswith("_")}
    assert set(config.__all__) == theirs - ELSEWHERE


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
