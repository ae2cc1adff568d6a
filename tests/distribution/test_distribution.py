"""Distributions: names as in Keras, devices, meshes and layouts; and the tests that need many devices."""

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
from jaxlayers import distribution, layers


@pytest.mark.parametrize(("count", "files"), [(8, "*on_eight_devices.py"), (256, "*on_256_devices.py")])
def test_on_simulated_devices(count, files):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    checks = sorted(map(str, Path(__file__).parent.glob(files)))
    assert checks
    done = subprocess.run(
        [*command, *checks], env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, text=True, timeout=600
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


class Backbone(jl.Model):
    """A model with the names of a published backbone; its attributes have other names."""

    def __init__(self):
        super().__init__()
        self.tokens = layers.Embedding(8, 4, name="token_embedding")
        self.first = layers.MultiHeadAttention(2, 2, name="self_attention")
        self.last = layers.Dense(4, name="ffw")

    def call(self, inputs):
        hidden = self.tokens(inputs)
        return self.last(self.first(hidden, hidden))


def backbone_with(*patterns):
    layouts = distribution.LayoutMap(distribution.DeviceMesh((1, 1), ("batch", "model"), ["cpu:0"]))
    for pattern in patterns:
        layouts[pattern] = ("model",)
    strategy = distribution.ModelParallel(layout_map=layouts)
    with strategy.scope():
        model = Backbone()
        model(jnp.ones((1, 3), "int32"))
    return strategy, model


def test_published_patterns_apply_as_they_are():
    strategy, model = backbone_with("token_embedding/embeddings", "self.*(query|key|value).kernel", "ffw.kernel")
    strategy.check_model(model)
    split = [v.name for v in model.weights if v.value.sharding.spec == jax.P("model")]
    assert split == ["embeddings", "kernel", "kernel", "kernel", "kernel"]


def test_patterns_that_never_apply_are_told_apart_from_those_that_match_nothing():
    strategy, model = backbone_with("ffw/kernel", "ffw/k.*", "last/bias", "none")
    with pytest.raises(ValueError, match=r"match no weight of 'backbone': \['none'\]"):
        strategy.check_model(model)
    with pytest.raises(ValueError, match=r"never apply.*'ffw/k\.\*' \(hidden by 'ffw/kernel'\)"):
        strategy.check_model(model)
    strategy, model = backbone_with("ffw/.*", "last/kernel")  # one by names, one by attributes
    with pytest.raises(ValueError, match=r"'last/kernel' \(hidden by 'ffw/\.\*'\)"):
        strategy.check_model(model)
    strategy, model = backbone_with("ffw/kernel", "ffw/.*")  # which applies to the bias
    strategy.check_model(model)
