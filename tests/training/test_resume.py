"""Training that is interrupted and started again gives the results of training that is not, to the last bit."""

import itertools
import random
import shutil

import jax
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import callbacks, layers
from jaxlayers.data import ArrayLoader, MappedLoader
from tests.optimizer_cases import NEW

RNG = np.random.default_rng(6)
X = RNG.normal(size=(22, 4)).astype("float32")
Y = (X.sum(-1, keepdims=True) > 0).astype("float32")
VALIDATION = (X[:9], Y[:9])


class StoppedError(Exception): ...


class Interrupt(callbacks.Callback):
    """Raises an error after a number of batches, counted in this process."""

    def __init__(self, after):
        self.remaining = after or 0

    def on_train_batch_end(self, batch, logs=None):
        self.remaining -= 1
        if self.remaining == 0:
            raise StoppedError


class Counter(callbacks.Callback):
    """A user's callback: its state decides how it changes the learning rate."""

    count, seen = 0, np.zeros(2)

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        self.seen = self.seen + np.array([batch, 1])

    def on_epoch_end(self, epoch, logs=None):
        logs["count"] = float(self.count)
        self.model.optimizer.learning_rate = 0.02 / (1 + self.count % 3)

    def get_state(self):
        return {"count": self.count, "seen": self.seen}

    def set_state(self, state):
        self.count, self.seen = state["count"], state["seen"]


def small_model(optimizer=None, **compiled):
    inside = [layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = jl.Sequential([*inside, layers.Dense(1, activation="sigmoid")])
    rate = jl.optimizers.schedules.CosineDecay(0.05, 20)
    model.compile(optimizer or jl.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"], **compiled)
    return model


def outcome(model, history, listeners):
    """Everything that training has left behind, as a flat dict of arrays."""
    values = {f"history {name}": value for name, value in history.history.items()}
    values |= {"epochs": history.epoch, "numpy": np.random.random(), "python": random.random()}
    leaves = jax.tree_util.tree_leaves_with_path(model.train_state)
    values |= {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    for listener in listeners:
        state = listener.get_state() if hasattr(listener, "get_state") else None
        for path, leaf in jax.tree_util.tree_leaves_with_path(state):
            values[f"{type(listener).__name__}{jax.tree_util.keystr(path)}"] = leaf
    return values


def train(make, backup, interrupt=None, seed=1):
    """Train; return the outcome, or None if training was interrupted after a number of batches."""
    jl.utils.set_random_seed(seed)
    model, fit = make()
    listeners = fit.pop("callbacks", [])
    try:
        history = model.fit(**fit, callbacks=[*listeners, Interrupt(interrupt), backup], verbose=0)
    except StoppedError:
        return None
    return outcome(model, history, listeners)


def tiny_model(**compiled):
    model = jl.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", **compiled)
    return model


def check(make, folder, interrupts=(2, 4), **options):
    """Compare training without interruption with training that is interrupted after numbers of batches."""
    expected = train(make, callbacks.Callback())
    for interrupt in interrupts:
        # Other seeds, as in a script that sets none: all generators must come from the checkpoint.
        seed = 77 if list(folder.glob("*")) else 1
        assert train(make, callbacks.BackupAndRestore(folder, **options), interrupt, seed) is None
    resumed = train(make, callbacks.BackupAndRestore(folder, **options), seed=77)
    assert not folder.exists()
    assert expected.keys() == resumed.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.asarray(resumed[name]), np.asarray(value), err_msg=name)
    return expected


def arrays(**more):
    fit = {"x": X, "y": Y, "batch_size": 8, "epochs": 3, "validation_data": VALIDATION, **more}
    return lambda **compiled: (small_model(**compiled), dict(fit))


# There are three batches in an epoch. The state of a batch is saved after the callbacks, so not if one interrupts it.
@pytest.mark.parametrize(("frequency", "interrupts"), [(1, (1, 2, 4)), (2, (3, 4)), ("epoch", (4, 5))], ids=str)
def test_arrays(frequency, interrupts, tmp_path):
    check(arrays(), tmp_path / "backup", interrupts, save_freq=frequency)


def listeners(folder):
    return [
        Counter(),
        callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, cooldown=1),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.SwapEMAWeights(swap_on_epoch=True),
        callbacks.TerminateOnNaN(),
    ]


@pytest.mark.parametrize("frequency", [1, "epoch"])
def test_callbacks(frequency, tmp_path):
    def make():
        model = small_model(jl.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.7))
        fit = {"x": X, "y": Y, "batch_size": 8, "epochs": 5, "validation_data": VALIDATION}
        return model, {**fit, "callbacks": listeners(tmp_path)}

    check(make, tmp_path / "backup", (4, 5), save_freq=frequency)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch", *map(str, range(len(lines) - 1))]


def test_the_best_value_of_checkpoints_is_kept(tmp_path):
    names = itertools.chain(["whole"], itertools.repeat("interrupted"))

    def make():
        model = small_model(jl.optimizers.Adam(0.03))
        path = tmp_path / next(names)
        saving = [
            callbacks.OrbaxCheckpoint(path, save_best_only=True, monitor="loss", save_freq=3),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
        ]
        return model, {"x": X, "y": Y, "batch_size": 8, "epochs": 3, "callbacks": saving}

    expected = check(make, tmp_path / "backup", save_freq=1)
    assert expected["OrbaxCheckpoint['best']"] < 1


@pytest.mark.parametrize("options", [{"steps_per_execution": 2}, {"run_eagerly": True}], ids=str)
def test_ways_of_running_steps(options, tmp_path):
    make = arrays()
    check(lambda: make(**options), tmp_path / "backup", (2, 2), save_freq=1)


def test_epochs_of_several_passes_and_sparse_validation(tmp_path):
    make = arrays(batch_size=4, steps_per_epoch=2, epochs=5, validation_freq=2, initial_epoch=1)
    check(make, tmp_path / "backup", (3, 4), save_freq=1)


class Squares(jl.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        noise = np.random.random((5, 4)) if self.workers == 1 else 0  # a global generator decides, too
        return X[5 * index : 5 * index + 5] + noise, Y[5 * index : 5 * index + 5]


class Growing(Squares):
    """A data set that changes at the end of each epoch, and says how far it is."""

    shift = 0.0

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + self.shift, y

    def on_epoch_end(self):
        self.shift += 0.25

    def get_state(self):
        return {"shift": self.shift}

    def set_state(self, state):
        self.shift = state["shift"]


class Endless:
    """An iterator that cannot be started again, with a position."""

    def __init__(self):
        self.number = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.number += 1
        rows = np.arange(self.number, self.number + 4) % len(X)
        return X[rows], Y[rows]

    def get_state(self):
        return self.number

    def set_state(self, state):
        self.number = state


class Batches:
    """An iterable without a position that starts again in each epoch."""

    def __iter__(self):
        return iter([(X[:8], Y[:8]), (X[8:16], Y[8:16]), (X[16:], Y[16:])])


def loader(**options):
    return ArrayLoader((X, Y), batch_size=8, shuffle=True, seed=3, **options)


DATA = {
    "ArrayLoader": (loader, {}),
    "class weights": (loader, {"class_weight": {0: 1.0, 1: 3.0}}),
    "MappedLoader": (lambda: MappedLoader(lambda i: (X[i], Y[i]), len(X), 8, shuffle=True, seed=2), {}),
    "map and shuffle": (lambda: loader().map(lambda x, y: (2 * x, y)).shuffle(3, seed=1).prefetch(2), {}),
    "cache and batch": (lambda: loader().cache().unbatch().batch(7).shuffle(2, seed=5), {}),
    "take": (lambda: loader().take(2), {"steps_per_epoch": 1, "epochs": 5}),
    "PyDataset": (Squares, {}),
    "PyDataset with threads": (lambda: Squares(workers=2), {"shuffle": False}),
    "PyDataset that changes": (lambda: Growing(workers=2), {}),
    "PyDataset in parts": (lambda: Growing(workers=2), {"steps_per_epoch": 2, "epochs": 5}),
    "iterator": (Endless, {"steps_per_epoch": 5}),
    "iterator, stacked": (Endless, {"steps_per_epoch": 5, "steps_per_execution": 2}),
}


@pytest.mark.parametrize(("data", "options"), DATA.values(), ids=DATA)
def test_loaders(data, options, tmp_path):
    def make():
        fit = {"x": data(), "epochs": 3, **options}
        stacked = fit.pop("steps_per_execution", 1)
        return tiny_model(steps_per_execution=stacked), fit

    check(make, tmp_path / "backup", (2, 2) if "steps_per_execution" in options else (2, 3), save_freq=1)


def test_iterables_that_start_again_resume_between_epochs(tmp_path):
    def make():
        return tiny_model(), {"x": Batches(), "epochs": 3}

    check(make, tmp_path / "backup", (4, 5), save_freq="epoch")


@pytest.mark.parametrize("kind", ["IterDataset", "MapDataset", "DataLoader"])
def test_grain(kind, tmp_path):
    grain = pytest.importorskip("grain.python")

    class Pairs(grain.RandomAccessDataSource):
        def __len__(self):
            return len(X)

        def __getitem__(self, index):
            return X[index], Y[index]

        def __repr__(self):  # Grain compares it with that of the saved state
            return "Pairs()"

    def make_data():
        if kind == "DataLoader":
            sampler = grain.IndexSampler(len(X), grain.NoSharding(), shuffle=True, num_epochs=1, seed=3)
            return grain.DataLoader(data_source=Pairs(), sampler=sampler, operations=[grain.Batch(8)])
        dataset = grain.MapDataset.source(Pairs()).seed(4).shuffle().batch(8)
        return dataset if kind == "MapDataset" else dataset.to_iter_dataset()

    check(lambda: (tiny_model(), {"x": make_data(), "epochs": 3}), tmp_path / "backup", save_freq=1)


def generator():
    yield from itertools.repeat((X[:8], Y[:8]))


class Shuffling(Squares):
    def on_epoch_end(self):
        self.order = np.random.permutation(4)


@pytest.mark.parametrize(
    ("data", "frequency", "options", "words"),
    [
        (generator, "epoch", {"steps_per_epoch": 2}, "generator.*get_state.*cannot be resumed"),
        (Batches, 1, {}, "iterable in the middle of a pass.*get_state"),
        (Batches, "epoch", {"steps_per_epoch": 2}, "iterable in the middle of a pass.*get_state"),
        (Shuffling, "epoch", {}, "on_epoch_end.*get_state"),
        (lambda: X, 1, {"validation_data": generator(), "validation_steps": 1, "y": Y}, "generator.*get_state"),
    ],
)
def test_data_that_cannot_be_resumed_is_told_before_training(data, frequency, options, words, tmp_path):
    counter, backup = Counter(), callbacks.BackupAndRestore(tmp_path / "backup", save_freq=frequency)
    with pytest.raises(ValueError, match=words):
        tiny_model().fit(data(), **options, epochs=2, verbose=0, callbacks=[counter, backup])
    assert counter.count == 0 and not (tmp_path / "backup").exists()


def interrupted(folder, listeners=(), **options):
    backup = callbacks.BackupAndRestore(folder, save_freq=1, **options)
    with pytest.raises(StoppedError):
        tiny_model().fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[*listeners, Interrupt(3), backup])


def test_other_models_data_and_callbacks_are_told(tmp_path):
    interrupted(tmp_path, [Counter()])
    backup = callbacks.BackupAndRestore(tmp_path)
    other = jl.Sequential([layers.Dense(2), layers.Dense(1)])
    other.compile("sgd", "mse")
    fit = {"batch_size": 8, "epochs": 2, "verbose": 0, "callbacks": [backup]}
    with pytest.raises(ValueError, match=r"params/dense/kernel must be float32\[4, 2\], but is float32\[4, 1\]"):
        other.fit(X, Y, **fit)
    with pytest.raises(ValueError, match="num_samples is 20 in this loader and 22 in the state"):
        tiny_model().fit(X[:20], Y[:20], **fit)
    with pytest.raises(ValueError, match="without validation data"):
        tiny_model().fit(X, Y, validation_data=VALIDATION, **fit)
    with pytest.warns(UserWarning, match="state of a Counter"):
        assert tiny_model().fit(X, Y, **fit).epoch == [0, 1]
    counter = Counter()
    counter.get_state = lambda: {1}
    with pytest.raises(TypeError, match=r"'callbacks'.*is a set"):
        tiny_model().fit(X, Y, verbose=0, callbacks=[counter, callbacks.BackupAndRestore(tmp_path / "new")])


def test_a_damaged_backup_gives_way_to_the_one_before(tmp_path):
    interrupted(tmp_path, double_checkpoint=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]
    backup = callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    (tmp_path / "2" / "state" / "_METADATA").unlink()
    with pytest.warns(UserWarning, match="2.*_METADATA missing"):
        assert tiny_model().fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[backup]).epoch == [0, 1]
    for step in tmp_path.iterdir():
        (step / "hashes.json").unlink()
    with pytest.warns(UserWarning, match="hashes"), pytest.raises(ValueError, match="All checkpoints in"):
        tiny_model().fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[backup])


def test_orbax_checkpoint_resumes_if_asked(tmp_path):
    def make():
        return small_model(), {"x": X, "y": Y, "batch_size": 8, "epochs": 3, "validation_data": VALIDATION}

    expected = train(make, callbacks.Callback())
    saving = {"save_freq": 2, "max_to_keep": None}
    assert train(make, callbacks.OrbaxCheckpoint(tmp_path, **saving), 5) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "4"]
    with pytest.raises(ValueError, match=r"number 4, and this training begins with 1.*resume=True"):
        train(make, callbacks.OrbaxCheckpoint(tmp_path, **saving))
    shutil.rmtree(tmp_path)
    assert train(make, callbacks.OrbaxCheckpoint(tmp_path, resume=True, **saving), 5) is None
    resumed = train(make, callbacks.OrbaxCheckpoint(tmp_path, resume=True, **saving), seed=77)
    jax.tree.map(np.testing.assert_array_equal, resumed, expected)
    assert jl.checkpoint.latest(tmp_path).name == "8"


OPTIMIZERS = {
    **{name: getattr(jl.optimizers, name) for name in ["RMSprop", "AdamW", "Nadam", "Lamb", "Lion", *NEW]},
    "momentum": lambda: jl.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "average": lambda: jl.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2),
    "accumulation": lambda: jl.optimizers.Adam(0.1, gradient_accumulation_steps=3),
    "loss scale": lambda: jl.optimizers.LossScaleOptimizer(jl.optimizers.Adam(0.1), 8.0, dynamic_growth_steps=2),
    "optax": lambda: optax.chain(optax.clip(0.1), optax.adam(optax.cosine_decay_schedule(0.1, 9)), optax.ema(0.5)),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_state_of_optimizers(make, tmp_path):
    """The state between two steps is all of the state: three steps, a checkpoint, and three more."""

    def fresh(seed):
        jl.utils.set_random_seed(seed)
        model = jl.Sequential([jl.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
        model.compile(make(), "mse")
        return model

    whole, resumed = fresh(1), fresh(2)
    for step in range(6):
        if step == 3:
            jl.checkpoint.save(tmp_path / "3", whole.train_state)
        whole.train_on_batch(X, Y)
    resumed.train_state = jl.checkpoint.restore(tmp_path / "3", resumed.train_state)
    for _ in range(3):
        resumed.train_on_batch(X, Y)
    jax.tree.map(np.testing.assert_array_equal, resumed.train_state, whole.train_state)
