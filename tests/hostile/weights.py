"""Hostile files of weights: safetensors, indices of shards, and legacy `.h5` files, for models and for the editor."""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

import jaxlayers as jl
from jaxlayers.saving import KerasFileEditor
from tests.hostile.cases import Case, Good, load


def cases(good: Good) -> list[Case]:
    """Return the cases."""
    found: list[Case] = []
    for ending in (".safetensors", ".weights.json"):  # import what is needed
        good.model.save_weights(path := good.new_path(ending))
        good.model.load_weights(path)
    for name, data in _tensors(good):
        path = good.new_path(".safetensors")
        with open(path, "wb") as file:
            file.write(data)
        found += _both(f"file: safetensors {name}", path, good)[: 1 if name.startswith("with the tensor") else 2]
    for name, path in _indices(good):
        found += _both(f"file: shards {name}", path, good)
    for name, path in _legacy(good):
        found.append((f"file: legacy {name}", load(path)))
        found.append((f"file: legacy weights {name}", lambda path=path: good.model.load_weights(path)))
    for name, path in _heaps(good):
        found += _both(f"file: heaps {name}", path, good)
    return found


def _both(name: str, path: str, good: Good) -> list[Case]:
    return [(name, lambda: good.model.load_weights(path)), (f"{name}, edited", lambda: KerasFileEditor(path))]


def _file_of(header: Any, data: bytes = bytes(32), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensors(good: Good) -> Iterator[tuple[str, bytes]]:
    """Safetensors files that do not agree with themselves; a good one has a kernel of (3, 2) and a bias of (2,)."""
    entry = {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}
    bias = {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]}

    def header(**changes: Any) -> dict[str, Any]:
        return {"layers/dense/kernel": entry | changes, "layers/dense/bias": bias}

    for length in (0, 1, 2**20, 2**31, 2**62, 2**63, 2**64 - 1):
        yield f"with a header of {length} bytes", _file_of(header(), length=length)
    for name, changes in {
        "with overlapping tensors": {"data_offsets": [8, 32]},
        "with tensors in the wrong order": {"data_offsets": [32, 8]},
        "with negative offsets": {"data_offsets": [-24, 0]},
        "with offsets of text": {"data_offsets": ["0", "24"]},
        "with offsets of reals": {"data_offsets": [0.0, 24.0]},
        "with three offsets": {"data_offsets": [0, 24, 24]},
        "with offsets outside": {"data_offsets": [2**40, 2**40 + 24]},
        "with huge offsets": {"data_offsets": [0, 2**64]},
        "without offsets": {"data_offsets": None},
        "with a larger shape": {"shape": [3, 20]},
        "with a shape of an overflow": {"shape": [2**32, 2**32 * 2, 3]},
        "with a negative shape": {"shape": [-3, -2]},
        "with a shape of text": {"shape": "32"},
        "with a shape of many axes": {"shape": [1] * 100_000},
        "with a size of 5000 digits": {"shape": [int("9" * 4000)]},
        "with another dtype": {"dtype": "F64"},
        "with an unknown dtype": {"dtype": "__class__"},
        "with a dtype that no weight has": {"dtype": "F4"},
        "with a dtype of a list": {"dtype": ["F32"]},
        "with a further field": {"data": "/etc/passwd", "shape": [3]},
    }.items():
        yield name, _file_of(header(**changes))
    for name, text in {
        "of no JSON": b"{{{",
        "of a list": b"[1, 2]",
        "of null": b"null",
        "of deep JSON": b"[" * 100_000,
        "of deep dicts": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "of many tensors": json.dumps({str(n): entry for n in range(130_000)}).encode(),
        "of a tensor twice": json.dumps(header())[:-1].encode() + b', "layers/dense/bias": ' + json.dumps(bias).encode() + b"}",
        "of half a character": b'{"\\ud800": ' + json.dumps(entry).encode() + b"}",
        "of no UTF-8": b'{"\xff": 1}',
        "of an entry of text": json.dumps({"layers/dense/kernel": "F32"}).encode(),
        "of NaN": b'{"a": NaN}',
    }.items():  # fmt: skip
        yield name, _file_of(text)
    yield "with data behind the end", _file_of(header(), bytes(100))
    yield "with too little data", _file_of(header(), bytes(31))
    yield "with a gap", _file_of(header(data_offsets=[0, 20], shape=[5]))
    for metadata in ({"a": 1}, ["x"], "x", {"jaxlayers_seal": "x"}, {"jaxlayers_seal": ["x"] * 9}):
        yield f"with the metadata {str(metadata)[:30]}", _file_of({"__metadata__": metadata, **header()})
    yield "with a deep name", _file_of({"x/" * 5000: entry | {"shape": [6]}, "layers/dense": bias})
    for key in ("layers/dense/kernel/../../x", "../dense", "/etc/passwd", "layers//kernel", "", "layers"):
        yield f"with the tensor {key[:20]!r}", _file_of({key: entry | {"shape": [6]}, "layers/dense": bias})


def _indices(good: Good) -> Iterator[tuple[str, str]]:
    """Indices of shards that lead elsewhere, and shards that do not belong to them."""
    shard = os.path.join(good.folder, "part_00000.weights.h5")
    shutil.copy(good.weights_path, shard)

    def index(content: Any) -> str:
        path = good.new_path(".weights.json")
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    name, groups = os.path.basename(shard), ("/layers/dense/vars", "/optimizer/vars")
    for other in ("../secret.weights.h5", "/etc/passwd", "/etc/x.weights.h5", "a/../../x.weights.h5", "..", "",
                  "C:\\x.weights.h5", "x\0.weights.h5", "http://127.0.0.1/x.weights.h5", "missing.weights.h5",
                  "x" * 300 + ".weights.h5", "\ud800.weights.h5", ".weights.h5", "bad\n.weights.h5"):  # fmt: skip
        yield f"of {other[:20]!r}", index({"weight_map": dict.fromkeys(groups, other)})
    links = {"link.weights.h5": "/etc/passwd", "dangling.weights.h5": "/nowhere", "loop.weights.h5": "loop.weights.h5"}
    for other, target in links.items():
        os.symlink(target, os.path.join(good.folder, other))
    os.mkfifo(os.path.join(good.folder, "pipe.weights.h5"))
    os.mkdir(os.path.join(good.folder, "directory.weights.h5"))
    for other in (*links, "pipe.weights.h5", "directory.weights.h5"):
        yield f"of a {other}", index({"weight_map": dict.fromkeys(groups, other)})
    for value in (None, 3, [], {}, [[name]], [name, 3], {"a": name}, True):
        yield f"with {str(value)[:20]} for a shard", index({"weight_map": {groups[0]: value}})
        yield f"with {str(value)[:20]} for a map", index({"weight_map": value if value != {} else 7})
    yield (
        "with a group that no shard has",
        index({"weight_map": {**dict.fromkeys(groups, name), "/nothing/vars": name}}),
    )
    yield "of 30000 shards", index({"weight_map": {f"/{n}/vars": f"{n}.weights.h5" for n in range(30_000)}})
    yield "of one shard 100000 times", index({"weight_map": {groups[0]: [name] * 100_000, "/x/vars": name}})
    shutil.copy(shard, os.path.join(good.folder, "part_00001.weights.h5"))
    yield (
        "with an array in two shards",
        index({"weight_map": {group: [name, "part_00001.weights.h5"] for group in groups}}),
    )
    hashes = {"metadata": {"jaxlayers_shards": {name: "0" * 64}}, "weight_map": dict.fromkeys(groups, name)}
    yield "with another hash of a shard", index(hashes)
    yield "with hashes of text", index({**hashes, "metadata": {"jaxlayers_shards": {name: {"a": 1}}}})
    yield "with a wrong seal", index({**hashes, "metadata": {"jaxlayers_seal": "jaxlayers sha256 " + "0" * 64}})
    yield "of deep JSON", index(b"[" * 100_000)
    yield "of a map twice", index(b'{"weight_map": {}, "weight_map": {}}')
    yield "of zeros", index(bytes(1000))
    yield "of 40 MB", index(b" " * (40 << 20))


def _legacy(good: Good) -> Iterator[tuple[str, str]]:
    """Files in the format of Keras 2."""
    dense = {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [None, 3]}}
    described = {"class_name": "Sequential", "config": {"name": "good", "layers": [dense]}}

    def write(edit: Callable[[Any], None] = lambda file: None, config: Any = described, **attributes: Any) -> str:
        path = good.new_path(".h5")
        with h5py.File(path, "w") as file:
            if config is not None:
                file.attrs["model_config"] = config if isinstance(config, str | bytes) else json.dumps(config)
            weights = file.create_group("model_weights")
            weights.attrs["layer_names"] = ["dense"]
            group = weights.create_group("dense")
            group.attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
            group["dense/kernel:0"], group["dense/bias:0"] = np.ones((3, 2), "f4"), np.ones(2, "f4")
            edit(file)
            for name, value in attributes.items():
                file.attrs[name] = value
        return path

    kernel, names = "model_weights/dense/dense/kernel:0", "model_weights/dense"

    def replace(name: str, link: Any) -> Callable[[Any], None]:
        def edit(file: Any) -> None:
            del file[name]
            file[name] = link

        return edit

    def attribute(place: str, name: str, value: Any) -> Callable[[Any], None]:
        return lambda file: file[place].attrs.__setitem__(name, value)

    jl.models.load_model(write())
    for name in (kernel, "model_weights/dense", "model_weights"):
        for link in (h5py.ExternalLink(good.weights_path, "/layers"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/")):
            yield f"with {type(link).__name__} at {name[:20]}", write(replace(name, link))
    yield "with other shapes", write(replace(kernel, np.ones((2, 3), "f4")))
    yield "with text for numbers", write(replace(kernel, "text"))
    for value in (["../../dense"], ["/model_weights/dense/dense/bias:0"], ["dense/kernel:0"], ["dense"], ["", "."], [b"\xff", b"x"],
                  3, [1, 2], "dense/kernel:0", ["x" * 2_000_000]):  # fmt: skip
        yield f"with the weights {str(value)[:20]}", write(attribute(names, "weight_names", value))
    for value in (["nothing"], ["dense", "dense"], ["../model_weights/dense"], [3.5], 7, ["dense/dense"]):
        yield f"with the layers {str(value)[:20]}", write(attribute("model_weights", "layer_names", value))

    def bomb(file: Any) -> None:
        del file[kernel]
        file.create_dataset(kernel, (10**6, 10**6), "f4", chunks=(1, 100), compression="gzip")

    yield "with a shape bomb", write(bomb)
    path = good.new_path(".h5")
    for number, size in enumerate((100, 2000)):
        shutil.copy(write(), path := good.new_path(".h5"))
        os.truncate(path, size)
        yield f"cut off {number}", path
    for number, config in enumerate(
        (
            "{", "[" * 100_000, "null", "[]", "3", b"\xff\xfe", {"class_name": "Sequential"}, {"class_name": "Dense", "config": []},
            {"class_name": "Sequential", "config": [dense] * 3 + [3]}, {"class_name": "Model", "config": {"layers": 3}},
            {"class_name": "Functional", "config": {"layers": [dense], "input_layers": "x", "output_layers": {"a": []}}},
            {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": ["x", None, None]}}]}},
            {"class_name": "Sequential", "config": {"layers": [{"class_name": "TFOpLambda", "config": {"function": "os.system"}}]}},
            {"class_name": "os>system", "config": {}}, {"class_name": "Sequential", "config": {"layers": [described] * 2}},
            {"class_name": "Sequential", "config": {"layers": [{"class_name": "GRU", "config": {"units": 10**9, "dtype": "x"}}]}},
        )
    ):  # fmt: skip
        path = write(lambda file: file["model_weights"].attrs.__setitem__("layer_names", ["x"]), config)
        yield f"with the config {number}", path
    yield (
        "with a deep config",
        write(
            lambda file: file["model_weights"].attrs.__setitem__("layer_names", ["x"]),
            '{"a":' * 3000 + "1" + "}" * 3000,
        ),
    )


def _heaps(good: Good) -> Iterator[tuple[str, str]]:
    """Files whose texts of any length, in global heaps, would take HDF5 for ever, or gigabytes."""
    path = good.new_path(".weights.h5")
    with h5py.File(good.weights_path, "r") as source, h5py.File(path, "w") as target:
        source.copy("layers", target)
        target["layers/dense/vars"].attrs["name"] = "n" * 100
    with open(path, "rb") as file:
        data = file.read()
    text = data.index(b"n" * 100)
    start = data.rindex(b"GCOL", 0, text)
    reference = data.index(struct.pack("<LQ", 100, start))
    edits = {
        "with an object of no size": (text + 104, bytes(16)),
        "with an object of a huge size": (text - 8, struct.pack("<Q", 2**62)),
        "with an object outside": (text - 8, struct.pack("<Q", 5000)),
        "of no size": (start + 8, bytes(8)),
        "of a huge size": (start + 8, struct.pack("<Q", 2**62)),
        "of 16 bytes": (start + 8, struct.pack("<Q", 16)),
        "with a text of 4 GB": (reference, struct.pack("<L", 2**32 - 1)),
        "with a text of 2000 bytes": (reference, struct.pack("<L", 2000)),
        "with a text elsewhere": (reference + 4, struct.pack("<Q", 2**60)),
        "with a text of another number": (reference + 12, struct.pack("<L", 77)),
    }
    for name, (place, new) in edits.items():
        path = good.new_path(".weights.h5")
        with open(path, "wb") as file:
            file.write(data[:place] + new + data[place + len(new) :])
        yield name, path
