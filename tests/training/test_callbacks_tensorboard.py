"""The TensorBoard callback, by the files that it writes."""

import struct
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

import jaxlayers as jl
from jaxlayers.callbacks import CallbackList, LambdaCallback, TensorBoard

RNG = np.random.default_rng(0)
X = RNG.integers(0, 5, (12, 2))
Y = RNG.normal(size=(12, 1)).astype("float32")


def events(path):
    """The events in the files of a directory, in the order in which the files were opened."""
    for file in sorted(path.glob("events*"), key=lambda file: int(file.suffix[1:])):
        data = file.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]


class Written:
    """Read the event files below a directory, as (part, tag, value, step)."""

    def __init__(self, directory):
        self.directory = directory

    def values(self, kind="simple_value"):
        return [
            (part, value.tag, getattr(value, kind), event.step)
            for part in ("train", "validation")
            for event in events(self.directory / part)
            for value in event.summary.value
            if value.WhichOneof("value") == kind
        ]

    def tags(self, kind="simple_value"):
        return [(part, tag, step) for part, tag, _, step in self.values(kind)]

    def of(self, wanted, kind="simple_value"):
        return [value for _, tag, value, _ in self.values(kind) if tag == wanted]


@pytest.fixture
def written(tmp_path):
    return Written(tmp_path)


@pytest.fixture(scope="module")
def model():
    model = jl.Sequential([jl.Input((2,), dtype="int32"), jl.layers.Embedding(5, 3, name="words"), jl.layers.Flatten()])
    model.add(jl.layers.Dense(1, name="out"))
    model.compile(jl.optimizers.SGD(0.25), "mse")
    return model


def test_figures_of_epochs_and_evaluations(written, model, tmp_path):
    board = TensorBoard(tmp_path, write_graph=False, write_steps_per_second=True)
    started = int(model.optimizer.iterations.numpy())
    options = {"batch_size": 4, "verbose": 0, "callbacks": [board], "validation_data": (X, Y)}
    history = model.fit(X, Y, epochs=2, **options).history
    assert all((tmp_path / part).is_dir() for part in ("train", "validation"))
    assert [tag for tag in written.tags() if tag[2] == 1] == [
        ("train", "epoch_loss", 1),
        ("train", "epoch_learning_rate", 1),
        ("train", "epoch_steps_per_second", 1),
        ("validation", "epoch_loss", 1),
    ]
    assert written.of("epoch_loss") == [*map(np.float32, [*history["loss"], *history["val_loss"]])]
    assert written.of("epoch_learning_rate") == [0.25, 0.25] and min(written.of("epoch_steps_per_second")) > 0
    evaluations = [tag for tag in written.tags() if "evaluation" in tag[1]]
    assert evaluations == [("validation", "evaluation_loss_vs_iterations", started + i) for i in (3, 6)]
    assert CallbackList([board]).hook("on_train_batch_end") is None
    model.evaluate(X, Y, verbose=0, callbacks=[board])  # within the same second
    assert len(written.of("evaluation_loss_vs_iterations")) == 3 and len(written.of("epoch_loss")) == 4


class Figure:
    read = False

    def __array__(self, dtype=None, copy=None):
        self.read = True
        return np.array(0.5)


@pytest.mark.parametrize(("frequency", "steps"), [("batch", [1, 2, 3, 4, 5, 6]), (1, [1, 2, 3, 4, 5, 6]), (4, [4])])
def test_figures_of_batches(written, model, tmp_path, frequency, steps):
    told = CallbackList(TensorBoard(tmp_path, update_freq=frequency, write_graph=False), model=model)
    told.on_train_begin()
    figures = [Figure() for _ in range(6)]
    for batch, figure in zip((0, 1, 2, 0, 1, 2), figures, strict=True):
        told.on_train_batch_begin(batch)
        told.on_train_batch_end(batch, {"loss": figure, "matrix": jnp.ones((2, 2))})
    told.close()
    assert written.tags() == [("train", "batch_loss", step) for step in steps]
    assert [number for number, figure in enumerate(figures, 1) if figure.read] == steps  # no other was waited for


def test_weights_and_embeddings(written, model, tmp_path):
    (tmp_path / "labels.tsv").write_text("a\nb\nc\nd\ne\n")
    options = {"histogram_freq": 2, "write_images": True, "embeddings_freq": 3, "write_graph": False}
    board = TensorBoard(tmp_path, embeddings_metadata="labels.tsv", **options)
    board.set_model(model)
    board.on_train_begin()
    for epoch in range(4):
        board.on_epoch_end(epoch, {"loss": 1.0})
    board.close()
    names = ["words/embeddings", "out/kernel", "out/bias"]
    expected = [("train", f"{model.name}/{name}/histogram", epoch) for epoch in (0, 2) for name in names]
    assert written.tags("histo") == expected
    kernel = written.of(f"{model.name}/out/kernel/histogram", "histo")[0]
    np.testing.assert_allclose(kernel.sum, np.sum(model.layers[-1].kernel), rtol=1e-6)
    np.testing.assert_allclose(
        (kernel.min, kernel.max), (np.min(model.layers[-1].kernel), np.max(model.layers[-1].kernel))
    )
    images = [(value.height, value.width) for _, _, value, step in written.values("image") if step == 0]
    assert images == [(3, 5), (1, 6)]  # a single number is no image
    projector = (tmp_path / "train" / "projector_config.pbtxt").read_text()
    assert [line.split('"')[1] for line in projector.splitlines() if "tensor_path" in line] == [
        *("00000/words/tensors.tsv", "00003/words/tensors.tsv")
    ]
    folder = tmp_path / "train" / "00003" / "words"
    assert (folder / "metadata.tsv").read_text().split() == list("abcde")
    np.testing.assert_allclose(np.loadtxt(folder / "tensors.tsv"), model.get_layer("words").embeddings, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4,), (1, 1, 4, 1)), ((5, 2), (1, 2, 5, 1)), ((2, 5), (1, 2, 5, 1)), ((3, 2, 4), (4, 3, 2, 1)),
     ((2, 3, 3, 1), (1, 2, 3, 3)), ((2, 3, 4, 3), (2, 3, 4, 3)), ((2, 3, 4, 5), None), ((), None)],
)  # fmt: skip
def test_weights_as_images(shape, expected):
    from jaxlayers.callbacks._tensorboard import _as_image

    values = RNG.normal(size=shape).astype("float32")
    image = _as_image(values)
    if expected is None:
        assert image is None
    elif shape == (2, 3, 3, 1):
        assert image.shape == (3, 2, 3, 1)
    else:
        assert image.shape == expected and image.min() == 0 and image.max() == 1


def test_the_files_are_complete_when_fit_fails(written, model, tmp_path):
    def fail(batch, logs):
        raise OSError("failed")

    board = TensorBoard(tmp_path, update_freq=1, write_graph=False)
    with pytest.raises(OSError, match="failed"):
        model.fit(X, Y, verbose=0, callbacks=[board, LambdaCallback(on_train_batch_end=fail)])
    assert written.tags() == [("train", "batch_loss", 1)] and board._writers == {}


def is_profiling(directory):
    """True if a profile is running: JAX runs one at a time."""
    try:
        jax.profiler.start_trace(directory)
    except RuntimeError:
        return True
    jax.profiler.stop_trace()
    return False


def test_profiles(model, tmp_path):
    logs, elsewhere = {"loss": jnp.float32(1)}, tmp_path / "elsewhere"
    told = CallbackList(TensorBoard(tmp_path / "two", profile_batch=(2, 3), write_graph=False), model=model)
    told.on_train_begin()
    profiled = []
    for batch in range(4):
        told.on_train_batch_begin(batch)
        profiled.append(is_profiling(elsewhere))
        told.on_train_batch_end(batch, logs)
    assert profiled == [False, True, True, False]
    assert len(list((tmp_path / "two" / "train").rglob("*.xplane.pb"))) == 1
    told.close()
    told = CallbackList(TensorBoard(tmp_path / "one", profile_batch="1", write_graph=False), model=model)
    told.on_train_begin()
    told.on_train_batch_begin(0)
    assert is_profiling(elsewhere)
    told.close()  # the batch failed
    assert not is_profiling(elsewhere) and len(list((tmp_path / "one" / "train").rglob("*.xplane.pb"))) == 1


def test_without_tensorboardx(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        model.fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])


def test_files(model, tmp_path):
    board = TensorBoard(tmp_path, histogram_freq=1, embeddings_freq=1, update_freq=2)
    told = CallbackList([board], model=model)
    told.on_train_begin()
    for batch in range(3):
        told.on_train_batch_begin(batch)
        told.on_train_batch_end(batch, {"loss": jnp.float32(0.25)})
    told.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.75})
    told.close()
    train = {value.tag: value for event in events(tmp_path / "train") for value in event.summary.value}
    assert train["epoch_loss"].simple_value == 0.5 and train["batch_loss"].simple_value == 0.25
    assert len(train[f"{model.name}/out/bias/histogram"].histo.bucket) >= 1
    assert b"Sequential" in train["keras"].tensor.string_val[0]
    assert [value.simple_value for event in events(tmp_path / "validation") for value in event.summary.value] == [0.75]
    assert "words" in (tmp_path / "train" / "projector_config.pbtxt").read_text()
