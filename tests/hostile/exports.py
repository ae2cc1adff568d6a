"""Hostile exported files, with a seal that fits: what is not as it was written must be found when the file is loaded.

A part of the values of the manifest is replaced, one at a time, by values of other types and by other values of the
same type; the members are replaced as well.
"""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

import copy
import json
import os
import random
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

import jaxlayers as jl
from jaxlayers.files.archive import ArchiveWriter
from tests.hostile.cases import Case, Good

_VALUES = (
    None,
    True,
    -1,
    7,
    2**70,
    0.5,
    "x",
    "float64",
    "\ud800",
    "programs/2",
    [],
    ["x"],
    [-1],
    [[1]],
    {},
    {"kind": "array"},
)
_PROGRAM = "programs/2"


def cases(good: Good) -> list[Case]:
    """Return the cases."""
    path = good.new_path(".stablehlo")
    good.model.export(path)
    x = np.ones((2, 3), "float32")
    jl.export.load(path)(x)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    found = []
    for name, changed in _changed(members):
        path = good.new_path(".stablehlo")
        with ArchiveWriter(path) as archive:
            for member, data in changed.items():
                archive.add(member, data)
        found.append((f"file: export {name}", lambda path=path: jl.export.load(path)(x)))
    for name, data in _raw(path):
        path = good.new_path(".stablehlo")
        with open(path, "wb") as file:
            file.write(data)
        found.append((f"file: export {name}", lambda path=path: jl.export.load(path)(x)))
    return found


def _changed(members: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    manifest = json.loads(members["manifest.json"])
    for name, other in _manifests(manifest):
        yield name, members | {"manifest.json": json.dumps(other).encode()}
    for name, text in {
        "of no JSON": b"{",
        "of deep JSON": b"[" * 100_000,
        "of many lists": b"[" + b"[]," * 200_000 + b"[]]",
        "of text": b'"jaxlayers.export"',
        "of no text": b"\xff\xfe",
        "of a key twice": b'{"version": 1,' + members["manifest.json"][1:],
        "of NaN": members["manifest.json"].replace(b"2]", b"NaN]", 1),
    }.items():
        yield f"with a manifest {name}", members | {"manifest.json": text}
    for name in members:
        yield f"without {name}", {key: data for key, data in members.items() if key != name}
    yield "with a shorter array", members | {"arrays/0": members["arrays/0"][:-4]}
    yield "with a longer array", members | {"arrays/0": members["arrays/0"] + bytes(4)}
    yield "with a member of Python", members | {"programs/3.py": b"import os"}
    program = members[_PROGRAM]
    for name, data in {
        "empty": b"", "of zeros": bytes(1000), "of text": b'module { func.func @main() { stablehlo.custom_call @xla_python_cpu_callback() } }',
        "of bytecode without content": program[:40], "cut off": program[: len(program) // 2], "of a newer version": re.sub(rb"(StableHLO_v)\d+", rb"\g<1>99", program),
        "twice": program + program,
    }.items():  # fmt: skip
        yield f"with a program {name}", members | {_PROGRAM: data}


def _manifests(manifest: Any) -> Iterator[tuple[str, Any]]:
    """Yield manifests with one value replaced; of those of each place, some at random."""
    generator = random.Random(0)
    # What is there to be shown, or has no effect on the program that is called.
    shown = re.compile(
        r"made_with|/name$|has_symbols|/type$|optional|/key$|kept|platforms/[1-9]|collections$|derivative"
    )
    for path in _paths(manifest):
        place = "/".join(map(str, path))
        if shown.search(place):
            continue
        for value in generator.sample(_VALUES, 2):
            changed = copy.deepcopy(manifest)
            around = changed
            for key in path[:-1]:
                around = around[key]
            if around[path[-1]] != value:
                around[path[-1]] = value
                yield f"with {str(value)[:20]!r} at {place}", changed
    for place in ("format", "version", "weights", "endpoints", "platforms"):
        yield f"without {place}", {key: value for key, value in manifest.items() if key != place}
    for version in (0, 2, "1", 1e9):
        yield f"of version {version}", {**manifest, "version": version}
    huge = copy.deepcopy(manifest)
    huge["weights"][0]["shape"] = [10**9, 10**9]
    yield "with a huge array", huge
    deep = copy.deepcopy(manifest)
    for _ in range(150):
        deep["endpoints"]["serve"]["inputs"] = {
            **deep["endpoints"]["serve"]["inputs"],
            "parts": [deep["endpoints"]["serve"]["inputs"]],
        }
    yield "with a deep structure", deep


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (key,)
        if isinstance(item, dict | list):
            yield from ((key, *path) for path in _paths(item))


def _raw(path: str) -> Iterator[tuple[str, bytes]]:
    with open(path, "rb") as file:
        data = file.read()
    generator = random.Random(1)
    for number in range(30):
        changed = bytearray(data)
        changed[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        yield f"with a flipped bit {number}", bytes(changed)
    for size in (1, 100, len(data) // 2, len(data) - 1):
        yield f"of {size} bytes", data[:size]
    yield "with a bomb", _compressed(path)


def _compressed(path: str) -> bytes:
    target = path + ".bomb"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arrays/0", bytes(100 << 20))
        archive.writestr("manifest.json", b"{}")
    with open(target, "rb") as file:
        data = file.read()
    os.remove(target)
    return data
