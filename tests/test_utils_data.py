"""Data sets from arrays and directories, images, files, progress bars and configs."""

import copy
import hashlib
import io
import os
import pickle
import tarfile
import threading
import wave
import zipfile
from pathlib import Path

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.utils import dataset_utils, image_dataset_utils
from PIL import Image

import jaxlayers as jl
from jaxlayers import utils
from jaxlayers.data import ArrayLoader, MappedLoader


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# Sequences.


@pytest.mark.parametrize("maxlen", [None, 0, 2, 5])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("padding", ["pre", "post"])
def test_padded_sequences(padding, truncating, maxlen):
    for sequences, more in (
        ([[1, 2, 3], [4], []], {}),
        ([[1.5, 2], [3, 4, 5, 6]], {"dtype": "float32", "value": -1.5}),
        ([["a", "b"], ["c"]], {"dtype": object, "value": "pad"}),
        ([random(3, 2), random(1, 2, seed=1)], {"dtype": "float32"}),
    ):
        if maxlen == 0 and truncating == "pre":  # Keras then takes all of a sequence, [-0:], and fails
            assert utils.pad_sequences(sequences, 0, padding=padding, **more).shape[:2] == (len(sequences), 0)
            continue
        arguments = dict(maxlen=maxlen, padding=padding, truncating=truncating, **more)
        if maxlen == 0 and padding == "pre":
            continue
        got, want = (lib.utils.pad_sequences(sequences, **arguments) for lib in (jl, keras))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("arguments", "words"), [
    (([1, 2],), "element 0"), ((3,), "list"), (([[1]], None, "int32", "left"), "padding"),
    (([[1]], None, "int32", "pre", "right"), "truncating"), (([[1]], None, "int32", "pre", "pre", "x"), "object"),
    (([[[1, 2]], [[1]]],), "sequence 1"),
])  # fmt: skip
def test_what_cannot_be_padded(arguments, words):
    with pytest.raises(ValueError, match=words):
        utils.pad_sequences(*arguments)


def by_hand(data, targets, length, stride, rate, start, end):
    for first in range(start, end - (length - 1) * rate, stride):
        if targets is None:
            yield data[first : first + (length - 1) * rate + 1 : rate]
        elif first < len(targets):
            yield data[first : first + (length - 1) * rate + 1 : rate], targets[first]


@pytest.mark.parametrize(("length", "stride", "rate", "start", "end"), [
    (3, 1, 1, None, None), (4, 3, 2, None, None), (2, 2, 5, 3, 30), (1, 1, 1, 0, 40), (5, 1, 4, 10, 38),
])  # fmt: skip
def test_time_series(length, stride, rate, start, end):
    data, targets = random(41, 2), np.arange(30)
    for labels in (None, targets):
        got = utils.timeseries_dataset_from_array(data, labels, length, stride, rate, 4, False, None, start, end)
        expected = list(by_hand(data, labels, length, stride, rate, start or 0, end or 41))
        for _ in range(2):
            batches = list(got)
            assert len(batches) == len(got) == -(-len(expected) // 4)
            if labels is None:
                np.testing.assert_array_equal(np.concatenate(batches), np.stack(expected))
            else:
                for number in range(2):
                    merged = np.concatenate([batch[number] for batch in batches])
                    np.testing.assert_array_equal(merged, np.stack([one[number] for one in expected]))


def test_time_series_shuffled_single_and_wrong():
    data = np.arange(20)
    shuffled = utils.timeseries_dataset_from_array(data, None, 2, batch_size=5, shuffle=True, seed=3)
    first, second = (np.concatenate(list(shuffled))[:, 0] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(19)) and list(first) != list(second) != sorted(second)
    again = utils.timeseries_dataset_from_array(data, None, 2, batch_size=5, shuffle=True, seed=3)
    np.testing.assert_array_equal(np.concatenate(list(again))[:, 0], first)
    single = utils.timeseries_dataset_from_array(data, None, 2, batch_size=None)
    assert len(single) == 19 and next(iter(single)).shape == (2,)
    for wrong in ({"sampling_rate": 0}, {"sequence_stride": 20}, {"start_index": 20}, {"end_index": 21},
                  {"start_index": 5, "end_index": 5}, {"sequence_length": 0}, {"format": "list"}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            utils.timeseries_dataset_from_array(data, None, **{"sequence_length": 2, **wrong})


def test_split_data_sets():
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset((x, y), left_size=0.75)
    np.testing.assert_array_equal(left.arrays[0], x[:8])
    np.testing.assert_array_equal(right.arrays[1], y[8:])
    for sizes, expected in (((3, None), (3, 7)), ((None, 0.2), (8, 2)), ((2, 5), (2, 5)), ((0.5, 0.3), (5, 3))):
        parts = utils.split_dataset({"x": x}, *sizes)
        assert tuple(part.num_samples for part in parts) == expected
        assert parts[1].arrays["x"][-1] == 9
    left, right = utils.split_dataset(x, 0.5, shuffle=True, seed=1)
    assert sorted([*left.arrays, *right.arrays]) == list(x) and list(left.arrays) != list(x[:5])
    np.testing.assert_array_equal(utils.split_dataset(x, 0.5, shuffle=True, seed=1)[0].arrays, left.arrays)
    left, right = utils.split_dataset(ArrayLoader((x, y), batch_size=4), left_size=7)
    assert (
        left.batch_size == 4 and [len(batch[0]) for batch in left] == [4, 3] and list(right.arrays[1]) == [14, 16, 18]
    )
    for wrong, kind in (((), ValueError), ((0,), ValueError), ((10,), ValueError), ((1.5,), ValueError),
                        (("3",), TypeError),
                        ((True,), TypeError), ((6, 6), ValueError), ((0.01,), ValueError)):  # fmt: skip
        with pytest.raises(kind, match="size"):
            utils.split_dataset(x, *wrong)
    with pytest.raises(TypeError, match="arrays"):
        utils.split_dataset(3, 0.5)


# Images.


@pytest.mark.parametrize("data_format", [None, "channels_first", "channels_last"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_and_images(channels, data_format):
    x = random(5, 4, channels) * 50
    x = x.transpose(2, 0, 1) if data_format == "channels_first" else x
    for scale in (True, False):
        values = x if scale else np.abs(x)
        ours, theirs = (lib.utils.array_to_img(values, data_format, scale) for lib in (jl, keras))
        assert ours.mode == theirs.mode and ours.size == theirs.size and ours.tobytes() == theirs.tobytes()
    for dtype in (None, "uint8"):
        back, expected = (lib.utils.img_to_array(theirs, data_format, dtype) for lib in (jl, keras))
        np.testing.assert_array_equal(back, expected)
        assert back.dtype == expected.dtype and back.shape == expected.shape


def test_deep_grey_and_zeros():
    for x in (np.full((3, 2, 1), 7.0), np.arange(6).reshape(3, 2, 1) * 300.0):
        ours, theirs = (lib.utils.array_to_img(x, scale=False) for lib in (jl, keras))
        assert ours.mode == theirs.mode and ours.tobytes() == theirs.tobytes()
    assert np.asarray(utils.array_to_img(np.full((2, 2, 3), 5.0))).max() == 0


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_saved_and_loaded_images(tmp_path, ending):
    path = tmp_path / f"image.{ending}"
    utils.save_img(path, random(9, 14, 3))
    for arguments in ({}, {"color_mode": "grayscale"}, {"color_mode": "rgba", "target_size": (5, 4)},
                      {"target_size": (6, 8), "interpolation": "bilinear", "keep_aspect_ratio": True},
                      {"target_size": (3, 20), "interpolation": "lanczos", "keep_aspect_ratio": True}):  # fmt: skip
        for source in (path, str(path), io.BytesIO(path.read_bytes())):
            ours, theirs = (lib.utils.load_img(source, **arguments) for lib in (jl, keras))
            assert ours.mode == theirs.mode and ours.size == theirs.size and ours.tobytes() == theirs.tobytes()


def test_image_mistakes(tmp_path):
    with pytest.warns(UserWarning, match="transparency"):
        utils.save_img(tmp_path / "a.jpg", random(3, 3, 4))
    for wrong, words in (
        (lambda: utils.array_to_img(random(3, 3)), "3 axes"),
        (lambda: utils.array_to_img(random(3, 3, 2)), "channels"),
        (lambda: utils.img_to_array(random(3)), "axes"),
        (lambda: utils.array_to_img(random(3, 3, 3), "first"), "data_format"),
        (lambda: utils.load_img(tmp_path / "a.jpg", "blue"), "color_mode"),
        (lambda: utils.load_img(tmp_path / "a.jpg", interpolation="linear"), "interpolation"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            wrong()
    with pytest.raises(TypeError, match="path"):
        utils.load_img(3)


def test_without_pillow(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    for needs in (lambda: utils.array_to_img(random(3, 3, 3)), lambda: utils.load_img("a.png"),
                  lambda: utils.image_dataset_from_directory(tmp_path)):  # fmt: skip
        with pytest.raises(ImportError, match="pip install pillow"):
            needs()


# Folders.


@pytest.fixture
def images(tmp_path):
    for number, name in enumerate(["cats", "dogs", "owls"]):
        (tmp_path / name / "deep").mkdir(parents=True)
        for i in range(3):
            shape = (9 + i, 14 - number, 3)
            utils.save_img(
                tmp_path / name / ("deep" if i == 2 else "") / f"{i}.png", random(*shape, seed=10 * number + i)
            )
    (tmp_path / "cats" / "note.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


CROP, PAD = {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}


@pytest.mark.parametrize(("interpolation", "fit"), [
    ("nearest", {}), ("bilinear", {}), ("bilinear", CROP), ("bilinear", PAD), ("bicubic", CROP), ("lanczos3", {}),
    ("lanczos5", PAD),
])  # fmt: skip
def test_image_data_sets(images, interpolation, fit):
    color, data_format, size = {
        "nearest": ("rgba", None, (7, 5)),
        "bicubic": ("grayscale", "channels_first", (20, 6)),
    }.get(interpolation, ("rgb", "channels_last", (8, 8)))
    dataset = utils.image_dataset_from_directory(
        images, image_size=size, interpolation=interpolation, color_mode=color, shuffle=False, batch_size=4,
        data_format=data_format, verbose=False, **fit,
    )  # fmt: skip
    paths, labels, names = dataset_utils.index_directory(
        str(images), "inferred", (".png",), shuffle=False, verbose=False
    )
    assert (
        dataset.file_paths == paths and dataset.class_names == names == ["cats", "dogs", "owls"] and len(dataset) == 3
    )
    batches = list(dataset)
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), labels)
    assert batches[0][0].dtype == np.float32 and batches[0][1].dtype == np.int32
    got = np.concatenate([batch[0] for batch in batches])
    load = image_dataset_utils._load_image_grain
    channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[color]
    for number in (0, 5):  # each size is compiled for in Keras
        expected = load(paths[number], size, channels, interpolation, data_format or "channels_last", **fit)
        np.testing.assert_allclose(got[number], expected, atol=2e-3)


@pytest.mark.parametrize("label_mode", ["int", "categorical", None])
def test_orders_and_labels_are_those_of_keras(images, label_mode):
    for split in (
        {},
        {"validation_split": 0.4, "subset": "training"},
        {"validation_split": 0.4, "subset": "validation"},
    ):
        dataset = utils.image_dataset_from_directory(
            images, label_mode=label_mode, seed=5, image_size=4, verbose=False, **split
        )
        paths, labels, _ = dataset_utils.index_directory(
            str(images), "inferred" if label_mode else None, (".png",), seed=5, verbose=False
        )
        paths, labels = dataset_utils.get_training_or_validation_split(
            paths, labels, split.get("validation_split"), split.get("subset")
        )
        assert dataset.file_paths == list(paths)
        if label_mode is None:
            assert all(isinstance(batch, np.ndarray) for batch in dataset)
            continue
        got = np.concatenate([batch[1] for batch in dataset])
        assert sorted(got.argmax(-1) if got.ndim > 1 else got) == sorted(labels)
        assert got.shape == ((len(labels), 3) if label_mode == "categorical" else (len(labels),))
    train, validation = utils.image_dataset_from_directory(
        images, seed=5, validation_split=0.4, subset="both", verbose=False, image_size=4
    )
    assert len(train.file_paths) == 6 and not set(train.file_paths) & set(validation.file_paths)
    assert train.is_shuffled and not validation.is_shuffled


def test_folders_with_labels_of_ones_own(images, capsys):
    dataset = utils.image_dataset_from_directory(images, labels=list(range(9)), shuffle=False, image_size=4)
    assert "9 files of 9 classes" in capsys.readouterr().out
    assert next(iter(dataset))[1].tolist() == list(range(9))
    some = utils.image_dataset_from_directory(
        images, class_names=["owls", "cats"], label_mode="binary", shuffle=False, image_size=4, verbose=False
    )
    labels = next(iter(some))[1]
    assert (
        labels[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
        and labels.dtype == np.float32
        and some.class_names == ["owls", "cats"]
    )


def test_passes_differ_and_threads_end(images):
    dataset = utils.image_dataset_from_directory(
        images, label_mode="int", seed=1, image_size=4, verbose=False, batch_size=2
    )
    before = threading.active_count()
    passes = [np.concatenate([labels for _, labels in dataset]) for _ in range(3)]
    assert len({tuple(one) for one in passes}) > 1 and all(sorted(one) == sorted(passes[0]) for one in passes)
    part = iter(dataset)
    next(part)
    part.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(("change", "words"), [
    ({"labels": "folders"}, "labels"), ({"labels": [1, 2]}, "9 files.*received 2"),
    ({"label_mode": "one"}, "label_mode"),
    ({"class_names": ["cow"]}, "class_names"), ({"labels": None, "class_names": ["cats"]}, "class_names"),
    ({"label_mode": "binary"}, "two classes"), ({"color_mode": "blue"}, "color_mode"),
    ({"image_size": (3,)}, "image_size"), ({"interpolation": "area"}, "interpolation"),
    ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one"),
    ({"subset": "training"}, "validation_split"), ({"validation_split": 2.0}, "validation_split"),
    ({"validation_split": 0.5}, "subset"), ({"validation_split": 0.5, "subset": "training"}, "seed"),
    ({"validation_split": 0.01, "subset": "both"}, "leaves one part empty"), ({"format": "np"}, "format"),
    ({"batch_size": 0}, "batch_size"),
])  # fmt: skip
def test_folder_mistakes(images, change, words):
    with pytest.raises(ValueError, match=words):
        utils.image_dataset_from_directory(images, verbose=False, **change)


def test_empty_folders(tmp_path):
    with pytest.raises(ValueError, match=r"No files.*\.txt"):
        utils.text_dataset_from_directory(tmp_path, verbose=False)


def test_texts(tmp_path):
    for name, text in (("a/1.txt", "grün"), ("a/2.txt", "long text"), ("b/1.TXT", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    dataset = utils.text_dataset_from_directory(tmp_path, shuffle=False, max_length=6, batch_size=2, verbose=False)
    batches = [(texts.tolist(), labels.tolist()) for texts, labels in dataset]
    assert batches == [(["grün", "long t"], [0, 0]), ([""], [1])]
    single = utils.text_dataset_from_directory(tmp_path, labels=None, batch_size=None, shuffle=False, verbose=False)
    assert [str(text) for text in single] == ["grün", "long text", ""]


@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 2), (3, 1), (4, 2)])
def test_sounds(tmp_path, width, channels):
    lengths = [5, 8]
    limit = 2 ** (8 * width - 1)
    sounds = [np.random.default_rng(i).integers(-limit, limit, (length, channels)) for i, length in enumerate(lengths)]
    for i, sound in enumerate(sounds):
        with wave.open(str(tmp_path / f"{i}.wav"), "wb") as file:
            file.setnchannels(channels), file.setsampwidth(width), file.setframerate(100)
            stored = sound + 128 if width == 1 else sound
            file.writeframes(b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in stored.ravel()))
    load = lambda **more: utils.audio_dataset_from_directory(
        tmp_path, labels=None, shuffle=False, verbose=False, **more
    )
    (batch,) = load()
    assert batch.shape == (2, 8, channels) and batch.dtype == np.float32
    for got, sound in zip(batch, sounds, strict=True):
        np.testing.assert_allclose(got[: len(sound)], sound / limit, rtol=1e-6)
        assert not got[len(sound) :].any()
    (fixed,) = load(output_sequence_length=6)
    np.testing.assert_array_equal(fixed, batch[:, :6])
    (ragged,) = load(ragged=True)
    assert [len(one) for one in ragged] == lengths
    (faster,) = load(sampling_rate=200)
    np.testing.assert_allclose(faster[1, ::2], batch[1], rtol=1e-5)
    np.testing.assert_allclose(faster[1, 1:-2:2], (batch[1, :-1] + batch[1, 1:]) / 2, rtol=1e-4, atol=1e-6)
    labelled = utils.audio_dataset_from_directory(tmp_path, labels=[1, 0], shuffle=False, verbose=False)
    assert next(iter(labelled))[1].tolist() == [1, 0]


def test_sound_mistakes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match=r"a\.wav"):
        next(iter(utils.audio_dataset_from_directory(tmp_path, labels=None, verbose=False)))
    for wrong in ({"sampling_rate": 0}, {"ragged": True, "output_sequence_length": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            utils.audio_dataset_from_directory(tmp_path, labels=None, **wrong)


def test_folders_are_fitted(images):
    data = utils.image_dataset_from_directory(images, image_size=4, seed=0, verbose=False, batch_size=4)
    model = jl.Sequential([jl.layers.Flatten(), jl.layers.Dense(3)])
    model.compile(jl.optimizers.SGD(1e-7), lambda y_true, y_pred: jnp.mean(jnp.square(y_pred), -1))
    assert np.isfinite(model.fit(data, epochs=2, verbose=0).history["loss"]).all()


def test_mapped_loaders_are_checked():
    with pytest.raises(ValueError, match="batch_size"):
        MappedLoader(str, 3, 0)
    loader = MappedLoader(lambda i: (np.array(i), np.array([i, 1])), 5, 2, shuffle=True)
    mapped = loader.map(lambda x, y: (x, y.sum(1))).map(lambda x, y: y - x)
    assert len(mapped) == 3 and [np.asarray(batch).tolist() for batch in mapped] == [[1, 1], [1, 1], [1]]
    singles = MappedLoader(np.array, 3, None).map(lambda x: 2 * x)
    assert [list(map(int, singles)) for _ in range(2)] == [[0, 2, 4]] * 2 and len(next(iter(loader))) == 2
    assert [len(MappedLoader(np.array, 7, size)) for size in (1, 3, 7, 9, None)] == [7, 3, 1, 1, 7]


# Files.


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source" / "data.txt"
    path.parent.mkdir()
    path.write_text("content")
    return path


def test_files_are_kept_and_checked(source, tmp_path, capsys):
    digest = {name: hashlib.new(name, b"content").hexdigest() for name in ("md5", "sha256")}
    fetch = lambda **more: utils.get_file(origin=source.as_uri(), cache_dir=tmp_path, cache_subdir="sub", **more)
    path = fetch(file_hash=digest["sha256"])
    assert path == str(tmp_path / "sub" / "data.txt") and Path(path).read_text() == "content"
    assert "Downloading" in capsys.readouterr().out
    source.write_text("changed")
    for known in ({"file_hash": digest["md5"]}, {"md5_hash": digest["md5"]},
                  {"file_hash": digest["sha256"], "hash_algorithm": "sha256"}, {}):  # fmt: skip
        assert Path(fetch(**known)).read_text() == "content" and not capsys.readouterr().out
    with pytest.raises(ValueError, match=digest["md5"]):
        fetch(file_hash=digest["md5"], force_download=True)
    assert Path(path).read_text() == "content" and os.listdir(tmp_path / "sub") == ["data.txt"]
    assert Path(fetch(force_download=True)).read_text() == "changed"
    with pytest.raises(ValueError, match="the file has changed"):
        fetch(file_hash=digest["md5"])
    assert Path(path).read_text() == "changed"


@pytest.mark.parametrize(("arguments", "words"), [
    ({}, "origin"), ({"origin": "https://example.org/"}, "name without directories"),
    ({"fname": "../x", "origin": "file:///a"}, "name without directories"),
    ({"fname": "..", "origin": "file:///a"}, "name"),
    ({"fname": "a/b", "origin": "file:///a"}, "name without directories"),
])  # fmt: skip
def test_names_that_are_refused(arguments, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        utils.get_file(cache_dir=tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


def archive(folder, kind, entries):
    path = folder / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in entries:
                file.writestr(name, content)
        return path
    with tarfile.open(path, f"w:{'gz' if kind == 'tar.gz' else ''}") as file:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content.startswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, content[2:]
                file.addfile(info)
            else:
                info.size = len(content)
                file.addfile(info, io.BytesIO(content.encode()))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_are_unpacked(tmp_path, kind):
    path = archive(tmp_path, kind, [("a.txt", "A"), ("deep/b.txt", "B")])
    for name, folder in ((None, f"archive.{kind}"), ("mine", "mine"), ("mine.x", "mine_extracted")):
        for _ in range(2):
            found = utils.get_file(name, path.as_uri(), extract=True, cache_dir=tmp_path / "cache")
            assert found == str(tmp_path / "cache" / "datasets" / folder)
            assert Path(f"{found}/deep/b.txt").read_text() == "B" and sorted(os.listdir(found)) == ["a.txt", "deep"]
    if kind != "zip":
        assert os.listdir(utils.get_file("t", path.as_uri(), untar=True, cache_dir=tmp_path / "cache"))


@pytest.mark.parametrize(("kind", "entries"), [
    ("zip", [("ok.txt", "x"), ("../evil.txt", "x")]), ("tar", [("ok.txt", "x"), ("../../evil.txt", "x")]),
    ("tar", [("/tmp/evil-of-test.txt", "x")]), ("zip", [("/evil.txt", "x")]), ("zip", [("..\\evil.txt", "x")]),
    ("tar", [("link", "->../.."), ("link/evil.txt", "x")]), ("tar", [("link", "->/etc/passwd")]),
])  # fmt: skip
def test_no_path_leaves_the_folder(tmp_path, kind, entries):
    path = archive(tmp_path, kind, entries)
    cache = tmp_path / "deep" / "cache"
    with pytest.raises(ValueError, match="not safe"):
        utils.get_file("mine", path.as_uri(), extract=True, cache_dir=cache)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {f"archive.{kind}", "deep/cache/datasets/mine_archive"} and not os.path.exists(
        "/tmp/evil-of-test.txt"
    )
    assert not (cache / "datasets" / "mine").exists()


def test_what_is_no_archive(source, tmp_path):
    with pytest.raises(ValueError, match="not an archive"):
        utils.get_file("mine", source.as_uri(), extract=True, cache_dir=tmp_path)
    with pytest.raises(ValueError, match="not an archive"):
        utils.get_file("mine", archive(tmp_path, "zip", [("a", "b")]).as_uri(), untar=True, cache_dir=tmp_path / "b")
    with pytest.raises(ValueError, match="hash_algorithm"):
        utils.get_file("x", source.as_uri(), file_hash="ab", hash_algorithm="crc", cache_dir=tmp_path)


# Progress.


def test_progress_bars(capsys, restored_settings):
    bar = utils.Progbar(4, width=8, interval=0, stateful_metrics=["rate"])
    for step in range(4):
        bar.add(1, [("loss", float(step)), ("rate", step)])
    out = capsys.readouterr().out
    assert "2/4 ━━━━────" in out and "4/4 ━━━━━━━━" in out and out.endswith("\n")
    assert "loss: 1.5000 - rate: 3" in out and "step" in out
    bar = utils.Progbar(None, interval=0, unit_name="file")
    bar.update(3)
    bar.update(5, finalize=True)
    assert "5/Unknown" in (out := capsys.readouterr().out) and "/file" in out
    bar = utils.Progbar(2, verbose=2)
    bar.update(1, [("loss", 1e-5)])
    assert not capsys.readouterr().out
    bar.update(2, [("loss", 1e-5)])
    assert capsys.readouterr().out == "2/2 - 0s - loss: 1.0000e-05\n"
    utils.Progbar(1, verbose=0).update(1)
    several = utils.Progbar(2, verbose=0)
    several.update(1, values=[("loss", [1.0, 3.0])])
    assert several.figures() == {"loss": 2.0}
    with pytest.raises(ValueError, match="not both"):
        utils.Progbar(1, stateful_metrics=["a"], stateless_metrics=["b"])
    utils.disable_interactive_logging()
    utils.Progbar(1).update(1)
    assert not capsys.readouterr().out


def test_figures_of_progress_bars_are_those_of_keras():
    ours = utils.Progbar(9, verbose=0, stateless_metrics=["loss"])
    theirs = keras.utils.Progbar(9, verbose=0, stateless_metrics=["loss"])
    for step, loss in ((2, 1.0), (3, 4.0), (7, 0.5)):
        for bar in (ours, theirs):
            bar.update(step, [("loss", loss), ("other", step)])
    total, count = theirs._values["loss"]
    assert ours.figures() == {"loss": pytest.approx(total / count), "other": 7}


# The rest.


def test_configs_of_names():
    arguments = {"rate": 0.1, "nested": {"a": [1]}}
    ours, theirs = utils.Config(**arguments), keras.utils.Config(**copy.deepcopy(arguments))
    for config in (ours, theirs):
        config.seed = 3
        config["name"] = "x"
        config.update(rate=0.2)
        assert config.pop("seed") == 3
    for look in (lambda c: c.as_dict(), lambda c: c.to_json(), lambda c: list(c), len,
                 lambda c: "rate" in c, repr,
                 lambda c: list(c.items()), lambda c: list(c.keys()), lambda c: list(c.values()),
                 lambda c: c.get("no", 4)):  # fmt: skip
        assert look(ours) == look(theirs)
    ours.freeze()
    for change in (lambda: setattr(ours, "rate", 1), lambda: ours.update(a=1), lambda: ours.pop("rate"),
                   lambda: ours.__delitem__("rate"), lambda: ours.__setitem__("rate", 1)):  # fmt: skip
        with pytest.raises(ValueError, match="frozen"):
            change()
    again = pickle.loads(pickle.dumps(ours))
    assert again.as_dict() == ours.as_dict() and again.frozen and copy.deepcopy(ours).rate == 0.2
    ours.unfreeze()
    del ours.rate
    assert not ours.frozen and "rate" not in ours
    with pytest.raises(AttributeError, match=r"nestd.*'nested'"):
        ours.nestd  # noqa: B018
    with pytest.raises(AttributeError, match="method"):
        ours.update = 3


def test_symbolic_tensors():
    a, b, c = (jl.Input((3,), name=name) for name in "abc")
    out = jl.layers.Dense(3)(b) + a * b
    assert [tensor.name for tensor in utils.get_source_inputs(out)] == ["b", "a"]
    assert utils.get_source_inputs(c) == [c] and utils.is_keras_tensor(out) and not utils.is_keras_tensor(np.ones(3))
    with pytest.raises(TypeError, match="symbolic"):
        utils.get_source_inputs(3)


@pytest.mark.parametrize("data", [1, (1,), [1, 2], (1, 2, 3), {"a": 1}])
def test_parts_of_batches(data):
    assert utils.unpack_x_y_sample_weight(data) == keras.utils.unpack_x_y_sample_weight(data)
    x, y, weight = utils.unpack_x_y_sample_weight(data)
    assert utils.pack_x_y_sample_weight(x, y, weight) == keras.utils.pack_x_y_sample_weight(x, y, weight)


def test_more_parts_of_batches():
    assert utils.pack_x_y_sample_weight([1]) == ([1],) == keras.utils.pack_x_y_sample_weight([1])
    assert utils.pack_x_y_sample_weight(1, None, 3) == (1, None, 3)  # Keras loses the weights
    for wrong in ((1, 2, 3, 4), ()):
        with pytest.raises(ValueError, match="parts"):
            utils.unpack_x_y_sample_weight(wrong)


def test_batches_written_in_python():
    class Three(utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return index * 10

    class Endless(utils.Sequence):
        num_batches = None

        def __init__(self):
            pass

        def __getitem__(self, index):
            return index

    data = Three(workers=2, use_multiprocessing=True, max_queue_size=4)
    assert (data.workers, data.use_multiprocessing, data.max_queue_size, data.num_batches) == (2, True, 4, 3)
    assert list(data) == list(data) == [0, 10, 20] and Endless().workers == 1
    assert [batch for batch, _ in zip(Endless(), range(4), strict=False)] == [0, 1, 2, 3]
    data.on_epoch_begin(), data.on_epoch_end()
    data.workers = 5
    assert data.workers == 5
    with pytest.raises(NotImplementedError, match="__getitem__"):
        utils.PyDataset()[0]
    with pytest.raises(NotImplementedError, match="__len__"):
        utils.PyDataset().num_batches  # noqa: B018
    for wrong in ({"workers": -1}, {"max_queue_size": 0}):
        with pytest.raises(ValueError, match="at least"):
            Three(**wrong)


def test_images_may_be_of_any_mode(tmp_path):
    Image.fromarray(np.arange(12, dtype="uint16").reshape(3, 4) * 5000).save(tmp_path / "deep.png")
    for mode in ("grayscale", "rgb"):
        dataset = utils.image_dataset_from_directory(
            tmp_path, None, color_mode=mode, image_size=(3, 4), verbose=False, interpolation="nearest"
        )
        expected = image_dataset_utils._load_image_grain(
            str(tmp_path / "deep.png"), (3, 4), {"grayscale": 1, "rgb": 3}[mode], "nearest", "channels_last"
        )
        np.testing.assert_array_equal(next(iter(dataset))[0], expected)
