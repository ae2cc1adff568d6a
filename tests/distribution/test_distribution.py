"""Distributions: names as in Keras, devices, meshes and layouts; and all of `*on_eight_devices.py` in one process."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import pytest

import jaxlayers as jl
from jaxlayers import distribution


def test_on_eight_devices():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    checks = [Path(__file__).with_name(name) for name in ("on_eight_devices.py", "named_axes_on_eight_devices.py")]
    done = subprocess.run(
        [*command, *map(str, checks)],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:]


def test_names_and_arguments_are_those_of_keras():
    for name in ("DataParallel", "DeviceMesh", "LayoutMap", "ModelParallel", "TensorLayout"):
        ours, theirs = getattr(distribution, name), getattr(keras.distribution, name)
        missing = {key for key in vars(theirs) if not key.startswith("_")} - set(dir(ours))
        assert missing <= {"num_model_replicas"}, name
        expected = [p for p in inspect.signature(theirs).parameters if p != "kwargs"]
        assert [p for p in inspect.signature(ours).parameters if p in expected] == expected
    functions = ("distribute_tensor", "distribution", "get_device_count", "initialize", "list_devices")
    for name in (*functions, "set_distribution"):
        expected = list(inspect.signature(getattr(keras.distribution, name)).parameters)
        assert list(inspect.signature(getattr(distribution, name)).parameters)[: len(expected)] == expected


def test_devices_by_name():
    assert distribution.list_devices()[0] == "cpu:0"
    assert distribution.get_device_count("cpu") == jax.device_count("cpu")
    with jl.device("cpu:0"):
        assert {d.id for d in jnp.ones(2).devices()} == {0}
    with pytest.raises(ValueError, match="There is no device 'cpu:99'"):
        distribution.DeviceMesh((1,), ("x",), ["cpu:99"])
    with pytest.raises(ValueError, match="no devices of the type 'gpu'"):
        distribution.list_devices("gpu")


@pytest.mark.parametrize(
    ("shape", "names", "message"),
    [((2, 1), ("a",), "a size and a name"), ((1, 1), ("a", "a"), "a size and a name"), ((99,), ("a",), "needs 99")],
)
def test_meshes_are_checked(shape, names, message):
    with pytest.raises(ValueError, match=message):
        distribution.DeviceMesh(shape, names)


def test_layouts_are_checked():
    mesh = distribution.DeviceMesh((1, 1), ("a", "b"), ["cpu:0"])
    with pytest.raises(ValueError, match="no axis 'c'"):
        distribution.TensorLayout(("c",), mesh)
    with pytest.raises(ValueError, match="once"):
        distribution.TensorLayout(("a", "a"), mesh)
    with pytest.raises(ValueError, match="no mesh"):
        distribution.distribute_tensor(jnp.ones(2), (None,))
    with pytest.raises(ValueError, match="more axes"):
        distribution.distribute_tensor(jnp.ones(2), distribution.TensorLayout((None, "a"), mesh))
    with pytest.raises(ValueError, match="LayoutMap or 'auto'"):
        distribution.ModelParallel(layout_map=None)
    with pytest.raises(ValueError, match="a distribution such as"):
        distribution.set_distribution("data")
    with pytest.raises(ValueError, match="one axis"):
        distribution.DataParallel(mesh)
