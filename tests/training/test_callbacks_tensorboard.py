"""What the TensorBoard callback writes: through a stand-in that notes it, and in files where tensorboardX is there."""

import struct
import sys
import types

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers.callbacks import CallbackList, LambdaCallback, TensorBoard

RNG = np.random.default_rng(0)
X = RNG.integers(0, 5, (12, 2))
Y = RNG.normal(size=(12, 1)).astype("float32")


@pytest.fixture
def written(monkeypatch):
    """What is written: a list of (part, kind, tag, value, step)."""
    notes, opened = [], []

    class SummaryWriter:
        def __init__(self, log_dir):
            self.part = log_dir.rpartition("/")[2]
            self.closed = False
            opened.append(self)

        def note(self, kind, tag, value, step):
            assert not self.closed
            notes.append((self.part, kind, tag, value, step))

        def add_scalar(self, tag, value, step):
            assert type(value) is float
            self.note("scalar", tag, value, step)

        def add_histogram(self, tag, value, step):
            self.note("histogram", tag, value, step)

        def add_images(self, tag, value, step, dataformats):
            assert dataformats == "NHWC" and value.min() >= 0 and value.max() <= 1
            self.note("images", tag, value, step)

        def add_embedding(self, value, labels, global_step, tag):
            self.note("embedding", tag, (value, labels), global_step)

        def flush(self):
            self.note("flush", "", None, None)

        def close(self):
            self.closed = True

    module = types.ModuleType("tensorboardX")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    notes_and_opened = types.SimpleNamespace(notes=notes, opened=opened)
    notes_and_opened.tags = lambda kind="scalar": [(note[0], note[2], note[4]) for note in notes if note[1] == kind]
    notes_and_opened.values = lambda tag: [note[3] for note in notes if note[2] == tag]
    return notes_and_opened


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
    scalars = [tag for tag in written.tags() if tag[2] == 1]
    assert scalars == [
        ("train", "epoch_loss", 1),
        ("train", "epoch_learning_rate", 1),
        ("train", "epoch_steps_per_second", 1),
        ("validation", "epoch_loss", 1),
    ]
    assert written.values("epoch_loss") == [
        *(history["loss"][0], history["val_loss"][0], history["loss"][1], history["val_loss"][1])
    ]
    assert written.values("epoch_learning_rate") == [0.25, 0.25] and min(written.values("epoch_steps_per_second")) > 0
    evaluations = [tag for tag in written.tags() if "evaluation" in tag[1]]
    assert evaluations == [("validation", "evaluation_loss_vs_iterations", started + i) for i in (3, 6)]
    assert CallbackList([board]).hook("on_train_batch_end") is None
    board.close()
    assert all(writer.closed for writer in written.opened)
    model.evaluate(X, Y, verbose=0, callbacks=[board])
    assert len(written.values("evaluation_loss_vs_iterations")) == 3
    board.close()


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
    assert written.tags() == [("train", "batch_loss", step) for step in steps]
    assert [number for number, figure in enumerate(figures, 1) if figure.read] == steps  # no other was waited for
    told.close()


def test_weights_and_embeddings(written, model, tmp_path):
    (tmp_path / "labels.tsv").write_text("a\nb\nc\nd\ne\n")
    options = {"histogram_freq": 2, "write_images": True, "embeddings_freq": 3, "write_graph": False}
    board = TensorBoard(tmp_path, embeddings_metadata="labels.tsv", **options)
    board.set_model(model)
    board.on_train_begin()
    for epoch in range(4):
        board.on_epoch_end(epoch, {"loss": 1.0})
    names = ["words/embeddings", "out/kernel", "out/bias"]
    expected = [("train", f"{model.name}/{name}/histogram", epoch) for epoch in (0, 2) for name in names]
    assert written.tags("histogram") == expected
    np.testing.assert_array_equal(written.values(f"{model.name}/out/kernel/histogram")[0], model.layers[-1].kernel)
    shapes = [value.shape for _, kind, _, value, step in written.notes if kind == "images" and step == 0]
    assert shapes == [(1, 3, 5, 1), (1, 1, 6, 1)]  # a single number is no image
    assert written.tags("embedding") == [("train", "words", 0), ("train", "words", 3)]
    vectors, labels = written.values("words")[0]
    assert labels == list("abcde")
    np.testing.assert_array_equal(vectors, model.get_layer("words").embeddings)
    board.close()


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


def test_the_files_are_closed_when_fit_fails(written, model, tmp_path):
    def fail(batch, logs):
        raise OSError("failed")

    board = TensorBoard(tmp_path, write_graph=False)
    told = CallbackList([board, LambdaCallback(on_train_batch_end=fail)], model=model)
    with pytest.raises(OSError, match="failed"):
        try:
            told.on_train_begin()
            told.on_train_batch_end(0, {})
        finally:
            told.close()
    assert written.opened and all(writer.closed for writer in written.opened)


def test_profiles(written, model, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("jax.profiler.start_trace", lambda where: calls.append(("start", where)))
    monkeypatch.setattr("jax.profiler.stop_trace", lambda: calls.append("stop"))
    told = CallbackList(TensorBoard(tmp_path, profile_batch=(2, 3), write_graph=False), model=model)
    told.on_train_begin()
    for batch in range(4):
        told.on_train_batch_begin(batch)
        calls.append(batch)
        told.on_train_batch_end(batch, {"loss": jnp.float32(1)})
    start = ("start", str(tmp_path / "train"))
    assert calls == [0, start, 1, 2, "stop", 3]
    told = CallbackList(TensorBoard(tmp_path, profile_batch="1", write_graph=False), model=model)
    told.on_train_begin()
    told.on_train_batch_begin(0)
    told.close()  # the batch failed
    assert calls[-2:] == [start, "stop"] and written.tags() == []


def test_without_tensorboardx(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        model.fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])


def events(path):
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    for file in path.glob("events*"):
        data = file.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            yield event_pb2.Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]


def test_files(model, tmp_path):
    pytest.importorskip("tensorboardX")
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
    if "keras" in train:
        assert b"Sequential" in train["keras"].tensor.string_val[0]
    assert [value.simple_value for event in events(tmp_path / "validation") for value in event.summary.value] == [0.75]
    assert "words" in (tmp_path / "train" / "projector_config.pbtxt").read_text()
