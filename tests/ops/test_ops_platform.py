"""The choice between implementations by the platform that a program runs on."""

import jax
import pytest

from jaxlayers.ops._platform import on_cpu, platform


@pytest.mark.parametrize("name", ["cpu", "gpu", "tpu"])
def test_the_default_device_decides_where_one_is_set(name):
    assert platform() == jax.default_backend()
    with jax.default_device(name):
        assert platform() == name and on_cpu() is (name == "cpu")
    with jax.default_device(jax.devices("cpu")[0]):
        assert platform() == "cpu"
