"""Hostile zip archives and directories."""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from tests.hostile.cases import Case, Good, load


def cases(good: Good) -> list[Case]:
    """Return the cases."""
    found = []
    for name, write in _archives(good):
        path = good.new_path()
        write(path)
        found.append((f"file: zip {name}", load(path)))
    for name, edit in _edits(good):
        path = good.new_path()
        with open(path, "wb") as file:
            file.write(edit(_plain(good)))
        found.append((f"file: zip {name}", load(path)))
    for name, path in _directories(good):
        found.append((f"file: directory {name}", load(path)))
    return found


def _plain(good: Good) -> bytes:
    """Return an archive without a seal, as Keras writes it."""
    with open(good.archive(), "rb") as file:
        return file.read()


def _with_member(good: Good, name: str, data: bytes = b"x", **fields: Any) -> Callable[[str], None]:
    """Return a function that writes an archive with one more member."""

    def write(path: str) -> None:
        with open(path, "wb") as file:
            file.write(_plain(good))
        info = zipfile.ZipInfo(name)
        for field, value in fields.items():
            setattr(info, field, value)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(info, data)

    return write


def _archives(good: Good) -> Iterator[tuple[str, Callable[[str], None]]]:
    for name in ("/etc/passwd", "../evil", "assets/../../evil", "assets/..", "..", "C:\\evil", "C:/evil", "assets\\..\\evil",
                 "assets//evil", "assets/./evil", "evil.py", "config.json ", "CONFIG.JSON", "variables/x", "assets/a\x1bb",
                 "assets/" + "x" * 5000, "assets/" + "x/" * 5000 + "x", "\u202econfig.json", "//server/share", "~/evil",
                 "config.json", "model.weights.h5", "metadata.json", "assets/config.json/../../model.weights.h5"):  # fmt: skip
        yield f"with {name[:30]!r}", _with_member(good, name)
    for kind, mode in (("link", 0o120777), ("FIFO", 0o010644), ("device", 0o060644), ("socket", 0o140644)):
        yield (
            f"with a {kind}",
            _with_member(good, "assets/x", b"/etc/passwd", external_attr=mode << 16, create_system=3),
        )
    yield "with another compression", _with_member(good, "assets/x", b"x" * 1000, compress_type=zipfile.ZIP_BZIP2)
    yield "with LZMA", _with_member(good, "assets/x", b"x" * 1000, compress_type=zipfile.ZIP_LZMA)
    yield "with a bomb", _with_member(good, "assets/x", bytes(100 << 20), compress_type=zipfile.ZIP_DEFLATED)
    yield "with a bomb as weights", _members(good, {"model.weights.h5": bytes(100 << 20)}, zipfile.ZIP_DEFLATED)
    yield "with a bomb as config", _members(good, {"config.json": b" " * (20 << 20)}, zipfile.ZIP_DEFLATED)
    yield "with a bomb as metadata", _members(good, {"metadata.json": b"[" * (20 << 20)}, zipfile.ZIP_DEFLATED)
    yield "with 100000 members", _many(good, 100_000)
    yield "with 20000 members", _many(good, 20_000)
    yield "without weights", _members(good, {"model.weights.h5": None})
    yield "without config", _members(good, {"config.json": None})
    yield "with empty weights", _members(good, {"model.weights.h5": b""})
    yield "with weights of text", _members(good, {"model.weights.h5": b"text" * 1000})
    yield "with a bad metadata", _members(good, {"metadata.json": b"[[["})
    yield "that says it is sealed", _members(good, {"metadata.json": b'{"jaxlayers_sealed": true}'})
    yield "with a directory as config", _members(good, {"config.json": None, "config.json/": b""})
    yield "that is empty", lambda path: open(path, "wb").close()
    yield "of zeros", lambda path: _write(path, bytes(1 << 20))
    yield "of an empty archive", lambda path: _write(path, b"PK\x05\x06" + bytes(18))


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _members(
    good: Good, changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED
) -> Callable[[str], None]:
    def write(path: str) -> None:
        members = {**good.members, "metadata.json": b"{}", **changes}
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                if data is not None:
                    archive.writestr(name, data)

    return write


def _many(good: Good, count: int) -> Callable[[str], None]:
    def write(path: str) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**good.members, "metadata.json": b"{}"}.items():
                archive.writestr(name, data)
            for number in range(count):
                archive.writestr(f"assets/{number}", b"")

    return write


def _field(data: bytes, signature: bytes, number: int, offset: int, layout: str, value: int) -> bytes:
    """Return an archive with one field of a header changed."""
    at = -1
    for _ in range(number + 1):
        at = data.index(signature, at + 1)
    changed = bytearray(data)
    struct.pack_into(layout, changed, at + offset, value)
    return bytes(changed)


_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def _edits(good: Good) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    for number in (0, 2):
        for name, signature, offset, layout, value in (
            ("encrypted", _CENTRAL, 8, "<H", 1), ("a huge size", _CENTRAL, 24, "<L", 0xFFFFFFF0), ("a huge compressed size", _CENTRAL, 20, "<L", 0xFFFFFFF0),
            ("a lie of zip64", _CENTRAL, 24, "<L", 0xFFFFFFFF), ("an offset outside", _CENTRAL, 42, "<L", 0x7FFFFFFF), ("the offset of another", _CENTRAL, 42, "<L", 5),
            ("another local name", _LOCAL, 30, "<B", 120), ("another local size", _LOCAL, 22, "<L", 5), ("another local check sum", _LOCAL, 14, "<L", 5),
            ("another check sum", _CENTRAL, 16, "<L", 5), ("a compression that is a lie", _CENTRAL, 10, "<H", 8), ("an unknown compression", _CENTRAL, 10, "<H", 99),
            ("a long local extra field", _LOCAL, 28, "<H", 60000), ("a long local name", _LOCAL, 26, "<H", 60000), ("a strong encryption", _CENTRAL, 8, "<H", 0x41),
            ("another local compression", _LOCAL, 8, "<H", 8), ("a local encryption", _LOCAL, 6, "<H", 1), ("a version of the future", _CENTRAL, 6, "<H", 999),
        ):  # fmt: skip
            yield (
                f"member {number} with {name}",
                lambda data, s=signature, n=number, o=offset, la=layout, v=value: _field(data, s, n, o, la, v),
            )
    for name, offset, layout, value in (
        ("many entries", 10, "<H", 0xFFFF),
        ("a huge directory", 12, "<L", 0xFFFFFFF0),
        ("a directory outside", 16, "<L", 0x7FFFFFFF),
        ("a directory of zip64", 12, "<L", 0xFFFFFFFF),
        ("a long comment", 20, "<H", 60000),
        ("an offset of zip64", 16, "<L", 0xFFFFFFFF),
        ("no entries", 10, "<H", 0),
    ):
        yield f"end with {name}", lambda data, o=offset, la=layout, v=value: _field(data, _END, 0, o, la, v)
    yield "with something in front", lambda data: b"GIF89a" + bytes(1000) + data
    yield "with something behind", lambda data: data + b"x" * 100
    yield "with a second end", lambda data: data + _END + bytes(18)
    yield "with two archives", lambda data: data + data
    yield "with an end in the comment", lambda data: data[:-2] + struct.pack("<H", 22) + _END + bytes(18)
    yield "cut in half", lambda data: data[: len(data) // 2]
    yield "with overlapping members", lambda data: _overlapping(data)
    yield "with a member in a member", lambda data: _inside(data)
    yield (
        "with a seal that is not at the end",
        lambda data: data[:-2] + struct.pack("<H", 91) + b"jaxlayers sha256 " + b"0" * 64 + b"behind seal",
    )
    yield "with a wrong seal", lambda data: data[:-2] + struct.pack("<H", 81) + b"jaxlayers sha256 " + b"0" * 64
    yield "with a gap", lambda data: _gap(data)


def _overlapping(data: bytes) -> bytes:
    """Let all members lie at the place of the first: Fifield's bombs are made like this."""
    offset = -1
    changed = bytearray(data)
    while (offset := data.find(_CENTRAL, offset + 1)) >= 0:
        struct.pack_into("<L", changed, offset + 42, 0)
    return bytes(changed)


def _inside(data: bytes) -> bytes:
    """Return an archive whose weights are an archive of its own, from which the directory takes the config."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("config.json", b'{"class_name": "Evil", "config": {}}')
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("model.weights.h5", inner.getvalue())
        place = outer.getvalue().index(_LOCAL, 4)
        archive.writestr("config.json", b'{"class_name": "Evil", "config": {}}')
        archive.getinfo("config.json").header_offset = place
    return outer.getvalue()


def _gap(data: bytes) -> bytes:
    """Return an archive with bytes between the members and the directory that belong to neither."""
    directory = data.index(_CENTRAL)
    end = data.index(_END)
    changed = bytearray(data[:directory] + b"hidden" * 100 + data[directory:])
    struct.pack_into("<L", changed, end + 600 + 16, directory + 600)
    return bytes(changed)


def _directories(good: Good) -> Iterator[tuple[str, str]]:
    def make(name: str) -> str:
        path = good.new_path("_folder")
        good.model.save(path, zipped=False)
        return path

    for member in ("config.json", "model.weights.h5", "metadata.json", "assets"):
        path = make(member)
        place = os.path.join(path, member)
        if os.path.exists(place):
            os.remove(place)
        if member == "metadata.json":
            os.mkdir(place)
        else:
            os.symlink("/etc/passwd" if member != "assets" else "/etc", place)
        yield f"with a link as {member}", path
    for member in ("config.json", "model.weights.h5"):
        path = make(member)
        os.remove(os.path.join(path, member))
        yield f"without {member}", path
        path = make(member)
        os.remove(os.path.join(path, member))
        os.mkfifo(os.path.join(path, member))
        yield f"with a FIFO as {member}", path
        path = make(member)
        os.remove(os.path.join(path, member))
        os.mkdir(os.path.join(path, member))
        yield f"with a directory as {member}", path
    for member in ("config.json", "model.weights.h5", "metadata.json"):
        path = make(member)
        with open(os.path.join(path, member), "r+b") as file:
            file.seek(20)
            file.write(b"\xff")
        yield f"with a changed byte in {member}", path
    path = make("assets")
    os.makedirs(os.path.join(path, "assets"))
    os.symlink("/etc/passwd", os.path.join(path, "assets", "vocabulary.txt"))
    yield "with a link in the assets", path
    path = make("assets")
    os.makedirs(os.path.join(path, "assets"))
    os.mkfifo(os.path.join(path, "assets", "fifo"))
    yield "with a FIFO in the assets", path
