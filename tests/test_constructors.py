"""Configs derived from constructors, and arguments that are passed on to a base's constructor."""

import inspect
import json

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import initializers, layers, losses, metrics, optimizers, regularizers
from jaxlayers.common.constructors import constructor_parameters, passes_on
from tests.layers.cases import CASES, MORE_CASES

# The arguments of layers that configs leave out, beside those that have their default and that Keras's configs lack.
LEFT_OUT = {
    "AdditiveAttention": {"score_mode"},
    "Bidirectional": {"weights"},
    "CategoryEncoding": {"sparse"},
    "ConvLSTM1D": {"cell", "use_cudnn"},
    "ConvLSTM2D": {"cell", "use_cudnn"},
    "ConvLSTM3D": {"cell", "use_cudnn"},
    "Cropping1D": {"data_format"},
    "Embedding": {"weights"},
    "GRU": {"cell", "use_cudnn"},
    "GRUCell": {"implementation"},
    "InputLayer": {"shape", "batch_size", "input_tensor", "trainable"},
    "HashedCrossing": {"trainable"},
    "IntegerLookup": {"has_input_vocabulary"},
    "Lambda": {"output_shape"},
    "LSTM": {"cell", "use_cudnn"},
    "LSTMCell": {"implementation"},
    "Pipeline": {"trainable", "dtype"},
    "RandomPerspective": {"fill_mode"},
    "ReversibleEmbedding": {"weights"},
    "SimpleRNN": {"cell", "use_cudnn"},
    "SimpleRNNCell": {"implementation"},
    "StringLookup": {"has_input_vocabulary"},
    "Sequential": {"inputs", "outputs"},
    "TextVectorization": {"has_input_vocabulary"},
    "UpSampling1D": {"data_format"},
}
OF_EVERY_LAYER = {"autocast", "activity_regularizer"}


def through_json(data):
    return json.loads(json.dumps(data))


# Every argument is in the config.


def test_every_argument_of_a_layer_is_in_its_config():
    missing = {}
    for case in CASES + MORE_CASES:
        layer = case.make()
        if type(layer).__module__.startswith("jaxlayers."):
            config, cls = layer.get_config(), type(layer)
            absent = {
                name
                for name, parameter in constructor_parameters(cls).items()
                if name not in config and getattr(layer, name, "no attribute") != parameter.default
            }
            missing.setdefault(cls.__name__, set()).update(absent - OF_EVERY_LAYER)
    assert missing["Dense"] == set() and len(missing) > 100
    unexpected = {name: absent - LEFT_OUT.get(name, set()) for name, absent in missing.items()}
    assert {name: absent for name, absent in unexpected.items() if absent} == {}


@pytest.mark.parametrize("kind", [losses, metrics, optimizers])
def test_every_argument_is_in_the_config(kind):
    checked = 0
    for cls in vars(kind).values():
        if isinstance(cls, type) and all(
            parameter.default is not inspect.Parameter.empty for parameter in constructor_parameters(cls).values()
        ):
            config = cls().get_config()
            left_out = {"dtype"} if kind is losses else {"thresholds", "axis", "delta", "from_sorted_ids"}
            left_out |= {"axis", "delta"} if kind is losses else set()
            assert {*constructor_parameters(cls)} - left_out <= config.keys(), cls
            checked += 1
    assert checked > 10


def test_options_that_keras_lacks_are_written_when_they_are_changed():
    assert "delta" not in losses.Huber().get_config() and losses.Huber(0.5).get_config()["delta"] == 0.5
    assert "lora_rank" not in layers.Dense(3).get_config()
    assert layers.Dense(3, lora_rank=2).get_config()["lora_alpha"] == 2
    assert "thresholds" not in metrics.AUC().get_config()
    assert metrics.AUC(thresholds=[0.7, 0.2]).get_config()["thresholds"] == [0.2, 0.7]


def test_a_changed_attribute_is_in_the_config():
    layer, optimizer, initializer = layers.Dropout(0.5), optimizers.Adam(), initializers.RandomNormal()
    layer.rate, optimizer.beta_1, initializer.stddev = 0.25, 0.5, 2.0
    assert layer.get_config()["rate"] == 0.25
    assert optimizer.get_config()["beta_1"] == 0.5
    assert initializer.get_config()["stddev"] == 2.0


def test_a_changed_option_of_a_loss_is_used():
    loss, metric = losses.Huber(0.5), metrics.BinaryAccuracy(threshold=0.5)
    loss.delta, metric.threshold = 1.0, 0.9
    assert float(loss([[0.0]], [[3.0]])) == float(losses.Huber(1.0)([[0.0]], [[3.0]])) == 2.5
    assert float(metric([[1.0]], [[0.8]])) == 0.0
    assert losses.Huber.from_config({"delta": 0.25, **loss.get_config()}).delta == 0.25  # the default is not written
    assert metric.get_config()["threshold"] == 0.9


def test_the_config_of_a_layer_holds_no_list_of_its_own():
    layer = layers.Discretization([1.0, 2.0])
    layer.get_config()["bin_boundaries"].append(3.0)
    assert layer.bin_boundaries == [1.0, 2.0]


# Classes of users.


class Scaled(layers.Dense):
    """A `Dense` with one more argument, and without a `get_config`."""

    def __init__(self, units, factor=1.0, inner=None, **kwargs):
        super().__init__(units, **kwargs)
        self.times, self.inner = float(factor), inner

    def call(self, inputs):
        return super().call(inputs) * self.times


class Fixed(layers.Dense):
    """A `Dense` that decides about arguments of its base."""

    def __init__(self, factor):
        super().__init__(2, activation="relu", name="fixed")
        self.times = factor


class Open(layers.Dense):
    """A `Dense` that hands on whatever it is given."""

    def __init__(self, *args, factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.times = factor


def test_a_subclass_of_a_layer_has_its_new_arguments_in_its_config():
    layer = Scaled(3, 2.0, layers.Dense(1, name="inner"), activation="relu", kernel_initializer="ones", name="scaled")
    config = through_json(layer.get_config())
    assert config["units"] == 3 and config["activation"] == "relu" and config["factor"] == 2.0
    assert config["inner"]["class_name"] == "Dense" and config["kernel_initializer"]["class_name"] == "Ones"
    twin = Scaled.from_config(config)
    assert through_json(twin.get_config()) == config and twin.inner is not layer.inner
    inputs = np.array([[1.0, 2.0]], "float32")
    assert np.array_equal(twin(inputs), [[6.0, 6.0, 6.0]]) and np.array_equal(layer(inputs), twin(inputs))
    layer.units = 4  # what the library's class has, it reads from the attribute
    assert layer.get_config()["units"] == 4


def test_a_subclass_need_not_take_the_arguments_of_its_base():
    layer = Fixed(3.0)
    twin = Fixed.from_config(through_json(layer.get_config()))
    assert (twin.units, twin.times, twin.name) == (2, 3.0, "fixed")


def test_a_subclass_may_hand_on_what_it_is_given():
    layer = Open(3, "relu", factor=2.0, autocast=False)
    twin = Open.from_config(through_json(layer.get_config()))
    assert (twin.units, twin.times, twin.autocast) == (3, 2.0, False)
    assert twin.get_config() == layer.get_config()


def test_a_subclass_with_an_argument_that_is_no_data():
    with pytest.raises(TypeError, match=r"Scaled has no get_config\(\) of its own"):
        Scaled(3, inner=object()).get_config()


def test_a_subclass_with_a_get_config_of_its_own_is_asked_for_nothing_else():
    class Own(layers.Conv2D):
        def __init__(self, factor, **kwargs):
            super().__init__(2, 3, **kwargs)
            self.times = factor

        def get_config(self):
            return {**super().get_config(), "factor": 1.0}

    config = Own(object()).get_config()
    assert config["factor"] == 1.0 and config["kernel_size"] == (3, 3)


def test_a_layer_of_a_user_has_the_arguments_that_it_was_given_in_its_config():
    class Doubled(jl.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = 2 * units

    assert Doubled(3).get_config()["units"] == 3


def test_regularizers_and_schedules_of_users_need_a_get_config():
    class Own(regularizers.Regularizer):
        def __init__(self, weight):
            self.weight = weight

    class Schedule(optimizers.schedules.LearningRateSchedule):
        def __init__(self, rate):
            self.rate = rate

    for thing in (Own(1.0), Schedule(1.0)):
        with pytest.raises(NotImplementedError, match="get_config"):
            thing.get_config()

    class Half(regularizers.L2):
        """Has that of its base."""

    assert Half(0.5).get_config() == {"l2": 0.5}


# Arguments that are passed on.


class Base:
    def __init__(self, rate=0.1, name=None, **kwargs):
        self.rate, self.name, self.rest = rate, name, kwargs


class Middle(Base):
    @passes_on
    def __init__(self, units, rate=0.2, **kwargs):
        self.units = units


class Last(Middle):
    @passes_on
    def __init__(self, units=3, rate=0.3, name="last", depth=1):
        self.depth = depth


def test_arguments_are_passed_on():
    assert vars(Middle(2)) == {"rate": 0.2, "name": None, "rest": {}, "units": 2}
    assert vars(Middle(2, 0.5, name="it", more=1)) == {"rate": 0.5, "name": "it", "rest": {"more": 1}, "units": 2}
    assert vars(Last(depth=4)) == {"rate": 0.3, "name": "last", "rest": {}, "units": 3, "depth": 4}


def test_a_subclass_calls_a_constructor_that_passes_on():
    class Further(Last):
        def __init__(self):
            super().__init__(5, 0.7, depth=2)

    assert vars(Further()) == {"rate": 0.7, "name": "last", "rest": {}, "units": 5, "depth": 2}


def test_signatures_and_errors_are_those_of_the_constructor():
    assert [*inspect.signature(Last).parameters] == ["units", "rate", "name", "depth"]
    with pytest.raises(TypeError, match=r"Last\.__init__\(\) got an unexpected keyword argument 'other'"):
        Last(other=1)
    with pytest.raises(TypeError, match=r"Middle\.__init__\(\) missing 1 required positional argument: 'units'"):
        Middle()
    with pytest.raises(TypeError, match=r"Adam\.__init__\(\) got an unexpected keyword argument 'beta'"):
        optimizers.Adam(beta=0.5)


def test_optimizers_name_the_common_arguments():
    common = [*inspect.signature(optimizers.Optimizer).parameters]
    for cls in (optimizers.SGD, optimizers.Adam, optimizers.AdamW, optimizers.Muon, optimizers.Ftrl):
        assert {*common} <= {*inspect.signature(cls).parameters}
        made = cls(0.5, weight_decay=0.25, clipnorm=3.0, use_ema=True, gradient_accumulation_steps=2, name="it")
        assert (made.weight_decay, made.clipnorm, made.use_ema, made.gradient_accumulation_steps, made.name) == (
            *(0.25, 3.0, True, 2, "it"),
        )
        assert float(made.learning_rate) == 0.5


def test_the_cell_of_a_recurrent_layer_has_its_arguments():
    layer = layers.LSTM(3, "relu", dropout=0.5, implementation=1, dtype="bfloat16", seed=4, return_state=True)
    assert layer.cell.name == "lstm_cell" and layer.cell.compute_dtype == "bfloat16"
    assert (layer.units, layer.dropout, layer.seed, layer.cell.masks_per_gate) == (3, 0.5, 4, True)
    assert layer.activation is jl.activations.relu and layer.return_state
    assert layers.ConvLSTM2D(3, 2, strides=2).cell.strides == (2, 2)


@pytest.mark.parametrize("arguments", [(), (3,), tuple(range(40))])
def test_errors_of_inherited_constructors_name_the_public_class(arguments):
    with pytest.raises(TypeError, match=r"^Conv2D.__init__\(\) (missing|takes)"):
        layers.Conv2D(*arguments)
