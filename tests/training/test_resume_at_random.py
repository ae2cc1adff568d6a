"""Random models, optimizers, data and callbacks, interrupted at random: resumed training equals uninterrupted one."""

import random

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import callbacks, layers, optimizers
from jaxlayers.data import ArrayLoader
from tests.training.test_resume import VALIDATION, Counter, Endless, Growing, X, Y, check


class OwnStep(jl.Model):
    """A model with a training step, random noise, a variable and a metric of its own, and two optimizers."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(3, activation="tanh"), layers.Dense(1)
        self.noise, self.mean = jl.random.SeedGenerator(5), jl.metrics.Mean(name="mean")
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")
        self.second = optimizers.SGD(0.1, momentum=0.5)

    def call(self, x):
        return self.out(self.hidden(x))

    def train_step(self, data):
        x, y = data[0] + 0.1 * jl.random.normal(data[0].shape, seed=self.noise), data[1]
        weights = {"hidden": self.hidden.trainable_variables, "out": self.out.trainable_variables}
        loss, gradients = jl.value_and_grad(lambda: self.compute_loss(x, y, self(x)), wrt=weights)()
        self.optimizer.apply_gradients(zip(gradients["hidden"], weights["hidden"], strict=True))
        self.second.apply_gradients(zip(gradients["out"], weights["out"], strict=True))
        self.steps.assign(self.steps + 1)
        self.mean.update_state(loss)
        return {"loss": loss, "mean": self.mean.result(), "steps": self.steps * 1.0}


def make_model(choose, chance):
    if chance(0.25):
        model, loss, metrics = OwnStep(), "mse", None
    else:
        parts = [layers.Dropout(0.3), layers.BatchNormalization(renorm=True), layers.GaussianNoise(0.2)]
        parts += [layers.SpectralNormalization(layers.Dense(4)), layers.Dense(4, trainable=False)]
        inside = [layers.Dense(4, activation="tanh"), *(part for part in parts if chance(0.4))]
        model = jl.Sequential([jl.Input((4,)), *inside, layers.Dense(1, activation="sigmoid")])
        loss, metrics = "binary_crossentropy", ["accuracy", jl.metrics.AUC(num_thresholds=5, name="auc")]
        if chance(0.3):
            model.layers[0].enable_lora(2)
    more = {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2}
    more = {} if isinstance(model, OwnStep) or chance(0.7) else more
    more |= {"gradient_accumulation_steps": 2} if chance(0.3) else {}
    kinds = ("Adam", "AdamW", "Lion", "Muon", "Adafactor", "Ftrl", "Nadam")
    optimizer = getattr(optimizers, choose(kinds))(0.05, **more)
    if not more and not isinstance(model, OwnStep) and chance(0.3):
        optimizer = optimizers.LossScaleOptimizer(optimizer, 8.0, dynamic_growth_steps=2)
    model.compile(optimizer, loss, metrics=metrics, steps_per_execution=choose((1, 1, 2)))
    return model


def make_fit(choose, chance, folder, has_classes):
    fit = {"epochs": 3}
    kind = choose(("arrays", "arrays", "loader", "pipeline", "PyDataset", "iterator"))
    if kind == "arrays":
        fit |= {"x": X, "y": Y, "batch_size": choose((5, 8)), "shuffle": chance(0.7), "initial_epoch": choose((0, 1))}
        fit |= {"class_weight": {0: 1.0, 1: 2.0}} if has_classes and chance(0.4) else {}
    elif kind == "PyDataset":
        fit |= {"x": Growing(workers=choose((1, 2)))}
    elif kind == "iterator":
        fit |= {"x": Endless(), "steps_per_epoch": 4}
    else:
        fit["x"] = ArrayLoader((X, Y), batch_size=8, shuffle=True, seed=choose((1, 2)))
        if kind == "pipeline":
            fit["x"] = fit["x"].map(lambda x, y: (2 * x, y)).unbatch().shuffle(9, seed=3).batch(7).prefetch(2)
    if chance(0.6):
        fit |= {"validation_data": VALIDATION, "validation_freq": choose((1, 2))}
    listeners = [
        callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True, mode="min"),
        callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=0.1, mode="min"),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.ModelCheckpoint(folder / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True),
        callbacks.NanGuard(),
        Counter(),
    ]
    fit["callbacks"] = [listener for listener in listeners if chance(0.35)]
    return fit


@pytest.mark.parametrize("seed", range(4))
def test_random_combinations(seed, tmp_path):
    def make():
        generator = random.Random(seed)

        def chance(probability):
            return generator.random() < probability

        model = make_model(generator.choice, chance)
        return model, make_fit(generator.choice, chance, tmp_path, not isinstance(model, OwnStep))

    generator = random.Random(seed + 100)
    interrupts = sorted(generator.sample(range(1, 5), 2))
    check(make, tmp_path / "backup", interrupts[1:], save_freq=generator.choice((1, 2, "epoch")))


def test_other_batches_and_steps_are_told(tmp_path):
    """A run that is resumed with another batch size, or other steps, would not give the same results."""

    def fit(**options):
        model = jl.Sequential([jl.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        stop = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: 1 / (1 - batch))
        backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
        return model.fit(**options, epochs=2, verbose=0, callbacks=[stop, backup])

    arrays = {"x": X, "y": Y, "batch_size": 8}
    with pytest.raises(ZeroDivisionError):
        fit(**arrays)
    for options, words in (
        ({**arrays, "batch_size": 4}, "batch_size is 4 .* 8"),
        ({**arrays, "shuffle": False}, "shuffle is 0 .* 1"),
        ({"x": X[:20], "y": Y[:20], "batch_size": 8}, "num_samples is 20 .* 22"),
        ({"x": Endless(), "steps_per_epoch": 3}, "in data of the kind"),
        ({"x": Growing()}, "in data of the kind"),
    ):
        with pytest.raises(ValueError, match=words):
            fit(**options)
    assert np.all(jl.checkpoint.latest(tmp_path).name == "1")
