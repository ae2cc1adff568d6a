"""Tiny Shakespeare: 40,000 lines from the plays, 1,115,394 characters, for character-level language models.

A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015),
https://karpathy.github.io/2015/05/21/rnn-effectiveness. One file of plain ASCII, in the public domain.
"""

from __future__ import annotations

import os
from pathlib import Path

from jaxlayers.datasets import _files

SOURCES = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
    "https://cdn.jsdelivr.net/gh/karpathy/char-rnn@master/data/tinyshakespeare/",
)
FILES = {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}  # SHA-256
_NAMES = ("tinyshakespeare/input.txt", "tiny_shakespeare/input.txt", "tinyshakespeare.txt", "tiny_shakespeare.txt")


def load_data(path: str | os.PathLike[str] | None = None) -> str:
    """Return the text of Tiny Shakespeare.

    The file is searched in the folder in the environment variable `JAXLAYERS_DATA`, as `tinyshakespeare.txt` or
    `tinyshakespeare/input.txt` (or the same with `tiny_shakespeare`); then in the download cache. If it is in neither,
    it is downloaded and checked by hash.

    Args:
        path: the path of another text file to read instead. None by default.

    Returns:
        The whole text; Tiny Shakespeare has 65 different characters.

    Raises:
        FileNotFoundError: if `path` does not exist.
        ValueError: if the file is empty, or is no UTF-8 text; the message names it.
        ConnectionError: if the file is not on disk and no download works; without a network within seconds.

    Example:
        >>> text = load_data()  # doctest: +SKIP
        >>> len(text), text[:14]  # doctest: +SKIP
        (1115394, 'First Citizen:')
    """
    file = find(path)
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is damaged, or no text: expected UTF-8; {error}.") from error
    if not text:
        raise ValueError(f"{file} is damaged: expected a text, but the file is empty.")
    return text


def find(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the file that `load_data` reads, downloading it if it is not on disk.

    Args:
        path: as for `load_data`.
    """
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no {path}. Call load_data() without a path to search other folders and to download."
            )
        return Path(path)
    folder = _files.data_folder()
    for place in [] if folder is None else [folder / name for name in _NAMES]:
        if place.is_file():
            return place
    try:
        return _files.fetch(FILES, SOURCES, _files.cache_folder("tinyshakespeare"))[0]
    except ConnectionError as error:
        setting = "JAXLAYERS_DATA is not set" if folder is None else f"JAXLAYERS_DATA={folder} does not have it"
        raise ConnectionError(
            f"Tiny Shakespeare was not found: {setting}, and {error}\nPut the file into a folder as "
            "'tinyshakespeare.txt' and set JAXLAYERS_DATA to the folder; or pass the path of another text to load_data."
        ) from None
