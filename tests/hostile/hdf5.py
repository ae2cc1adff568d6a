"""Hostile HDF5 files of weights, alone and as a member of a model's file."""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

from tests.hostile.cases import Case, Good, load

_VARIABLES = "layers/dense/vars"


def cases(good: Good) -> list[Case]:
    """Return the cases."""
    found: list[Case] = []
    for name, edit, options in _edits(good):
        path = good.new_path(".weights.h5")
        _copy(good, path, options)
        with h5py.File(path, "r+", libver=options.get("libver")) as file:
            edit(file)
        with open(path, "rb") as file:
            data = file.read()
        found.append((f"file: HDF5 {name}", lambda path=path: good.model.load_weights(path)))
        found.append((f"file: HDF5 in an archive {name}", load(good.archive(weights=data))))
    for name, data in _raw(good):
        path = good.new_path(".weights.h5")
        with open(path, "wb") as file:
            file.write(data)
        found.append((f"file: HDF5 {name}", lambda path=path: good.model.load_weights(path)))
    return found


def _copy(good: Good, path: str, options: dict[str, Any]) -> None:
    """Write a good file without a seal."""
    with h5py.File(good.weights_path, "r") as source, h5py.File(path, "w", **options) as target:
        for name in source:
            source.copy(name, target)


def _replace(name: str, **options: Any) -> Callable[[Any], None]:
    """Return a function that puts another data set in the place of the kernel."""

    def edit(file: Any) -> None:
        del file[f"{_VARIABLES}/0"]
        file.create_dataset(f"{_VARIABLES}/0", **options)

    return edit


def _link(link: Any, name: str = f"{_VARIABLES}/0") -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        del file[name]
        file[name] = link(file) if callable(link) and not isinstance(link, type) else link

    return edit


def _edits(good: Good) -> Iterator[tuple[str, Callable[[Any], None], dict[str, Any]]]:
    shape, f4 = (3, 2), "f4"
    secret = good.new_path(".bin")
    with open(secret, "wb") as file:
        file.write(b"s" * 1000)
    for name in (f"{_VARIABLES}/0", _VARIABLES, "layers"):
        yield f"with a soft link at {name}", _link(h5py.SoftLink("/optimizer"), name), {}
        yield f"with a dangling link at {name}", _link(h5py.SoftLink("/nowhere"), name), {}
        yield f"with an external link at {name}", _link(h5py.ExternalLink(good.weights_path, "/layers"), name), {}
        yield f"with a link to a device at {name}", _link(h5py.ExternalLink("/dev/zero", "/"), name), {}
    yield "with a cycle of hard links", lambda file: file["layers"].__setitem__("again", file["/"]), {}
    yield "with a cycle in the variables", lambda file: file[_VARIABLES].__setitem__("again", file["layers"]), {}
    yield "with two names of one array", _link(lambda file: file["layers/dense/vars/1"]), {}
    yield "with external storage", _replace("0", shape=shape, dtype=f4, external=[(secret, 0, 24)]), {}
    yield (
        "with external storage of a file of the system",
        _replace("0", shape=shape, dtype=f4, external=[("/etc/passwd", 0, 24)]),
        {},
    )
    layout = h5py.VirtualLayout(shape, f4)
    layout[:] = h5py.VirtualSource(good.weights_path, f"{_VARIABLES}/0", shape)

    def virtual(file: Any) -> None:
        del file[f"{_VARIABLES}/0"]
        file.create_virtual_dataset(f"{_VARIABLES}/0", layout)

    yield "with a virtual data set", virtual, {}
    for number, size in enumerate(((10**9,), (10**6, 10**6), (2**60,), (1,) * 32)):
        yield (
            f"with a shape bomb in chunks {number}",
            _replace("0", shape=size, dtype=f4, chunks=(1,) * len(size), compression="gzip"),
            {},
        )
        yield f"with a contiguous shape bomb {number}", _replace("0", shape=size, dtype=f4), {}
    yield "with an array that grows without end", _replace("0", shape=shape, dtype=f4, maxshape=(None, None)), {}
    yield "with an empty array", _replace("0", data=h5py.Empty(f4)), {}
    yield "with a scalar", _replace("0", data=1.0), {}
    for name, dtype in (("text", h5py.string_dtype()), ("references", h5py.ref_dtype), ("regions", h5py.regionref_dtype), ("lists", h5py.vlen_dtype(f4)),
                        ("records", np.dtype([("a", f4), ("b", f4)])), ("arrays", np.dtype((f4, (100,)))), ("fixed text", "S10"), ("an enumeration", h5py.enum_dtype({"A": 1})), ("opaque bytes", "V4"), ("opaque megabytes", "V1000000")):  # fmt: skip
        yield f"with {name} for numbers", _replace("0", shape=shape, dtype=dtype), {}

    def opaque(file: Any) -> None:
        _replace("0", shape=shape, dtype="V4")(file)
        file[f"{_VARIABLES}/0"].attrs["dtype"] = "__class__"

    yield "with the name of another attribute as a dtype", opaque, {}
    yield "with SZIP or scale-offset", _replace("0", data=np.ones(shape, f4), chunks=shape, scaleoffset=2), {}
    yield "with LZF", _replace("0", data=np.ones(shape, f4), chunks=shape, compression="lzf"), {}

    def bomb(file: Any) -> None:
        _replace("0", data=np.zeros((3, 4 << 20), f4), chunks=(3, 4 << 20), compression="gzip")(file)

    yield "with a compressed bomb", bomb, {}

    def plugin(file: Any) -> None:
        del file[f"{_VARIABLES}/0"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(shape)
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file[_VARIABLES].id, b"0", h5py.h5t.IEEE_F32LE, space, properties)

    yield "with a plug-in", plugin, {}
    yield (
        "with a committed type for the group",
        lambda file: (file.__delitem__(_VARIABLES), file.__setitem__(_VARIABLES, np.dtype(f4))),
        {},
    )
    yield (
        "with a committed type for the array",
        lambda file: (file.__delitem__(f"{_VARIABLES}/0"), file.__setitem__(f"{_VARIABLES}/0", np.dtype(f4))),
        {},
    )
    yield (
        "with a group for the array",
        lambda file: (file.__delitem__(f"{_VARIABLES}/0"), file.create_group(f"{_VARIABLES}/0")),
        {},
    )
    yield (
        "with an array for the group",
        lambda file: (file.__delitem__(_VARIABLES), file.create_dataset(_VARIABLES, data=np.ones(3, f4))),
        {},
    )

    def deep(file: Any) -> None:
        group = file.create_group("deep")
        for _ in range(2000):
            group = group.create_group("d")

    yield "with deep groups", deep, {"libver": "latest"}

    def many(file: Any) -> None:
        for number in range(60_000):
            h5py.h5g.create(file.id, b"g%d" % number)

    yield "with many groups", many, {"libver": "latest"}

    yield (
        "with a huge attribute",
        lambda file: (
            file[_VARIABLES].attrs.__setitem__("name", np.zeros(60_000, "u1")),
            file.create_dataset("x", data=1.0),
        ),
        {"libver": "latest"},
    )
    yield (
        "with references as a name",
        lambda file: (file[_VARIABLES].attrs.__setitem__("name", file.ref), file.create_dataset("x", data=1.0)),
        {},
    )
    yield (
        "with a broken name",
        lambda file: (file[_VARIABLES].attrs.__setitem__("name", b"\xff\xfe"), file.create_dataset("x", data=1.0)),
        {},
    )
    yield "with names in other bytes", lambda file: h5py.h5g.create(file.id, b"\xff\xfe"), {}
    yield "with an array outside", lambda file: file.create_dataset("layers/x", data=np.ones(3)), {}
    yield "with too much", lambda file: file.create_dataset("layers/dense_1/vars/0", data=np.ones(3)), {}
    yield "without an array", lambda file: file.__delitem__(f"{_VARIABLES}/0"), {}
    yield "of another shape", _replace("0", data=np.ones((2, 3), f4)), {}

    def copies(file: Any) -> None:
        for number in range(3000):
            file.create_dataset(
                f"layers/x{number}/vars/0", shape=(10**6,), dtype=f4, chunks=(10**6,), compression="gzip"
            )

    yield "with many unwritten arrays", copies, {"libver": "latest"}


def _raw(good: Good) -> Iterator[tuple[str, bytes]]:
    with open(good.new_path(".h5"), "w+b") as file:
        _copy(good, file.name, {})
        data = file.read()
    yield "that is empty", b""
    yield "of zeros", bytes(10_000)
    yield "that is only a signature", data[:8]
    yield "that is an archive", open(good.path, "rb").read()  # noqa: SIM115
    yield "cut in half", data[: len(data) // 2]
    for at in (8, 9, 10, 13, 14, 16, 18, 24, 40, 64, 72):
        yield f"with a changed superblock at {at}", data[:at] + b"\xff" + data[at + 1 :]
        yield f"with a superblock of other bytes at {at}", data[:at] + b"\xfe" * 8 + data[at + 8 :]
    driver = b"\x00\x00\x00\x00" + (96).to_bytes(4, "little") + b"NCSAfami" + bytes(96)
    yield "with the driver information of a family", data[:48] + len(data).to_bytes(8, "little") + data[56:] + driver
    driver = driver.replace(b"NCSAfami", b"NCSAmult")
    yield (
        "with the driver information of several files",
        data[:48] + len(data).to_bytes(8, "little") + data[56:] + driver,
    )
