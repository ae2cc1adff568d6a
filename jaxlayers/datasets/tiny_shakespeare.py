"""Tiny Shakespeare: 40,000 lines from the plays, 1,115,394 characters, to model letter by letter.

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
    """The text of Tiny Shakespeare.

    Looked for in the folder that the environment variable `JAXLAYERS_DATA` names, as `tinyshakespeare.txt` or
    `tinyshakespeare/input.txt` (either name also with an underscore); then in the download cache; then downloaded,
    and checked by hash.

    Args:
        path: a text file to read instead, as it is.

    Returns:
        The whole text, with 65 different characters.

    Raises:
        FileNotFoundError: when `path` is not there.
        ValueError: when the file is empty, or no UTF-8 text; the message names it.
        ConnectionError: when the text is nowhere, and no download works; within seconds without a network.

    Example:
        >>> text = load_data()  # doctest: +SKIP
        >>> len(text), text[:14]  # doctest: +SKIP
        (1115394, 'First Citizen:')
    """
    found = find(path)
    try:
        text = found.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{found} is damaged, or no text: expected UTF-8; {error}.") from error
    if not text:
        raise ValueError(f"{found} is damaged: expected a text, but it is empty.")
    return text


def find(path: str | os.PathLike[str] | None = None) -> Path:
    """The file that `load_data` reads; downloads it when it is nowhere."""
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no {path}. Call load_data() without a path to look elsewhere and download."
            )
        return Path(path)
    folder = _files.data_folder()
    for place in [] if folder is None else [folder / name for name in _NAMES]:
        if place.is_file():
            return place
    try:
        return _files.fetch(FILES, SOURCES, _files.cache_folder("tinyshakespeare"))[0]
    except ConnectionError as error:
        looked = "JAXLAYERS_DATA is not set" if folder is None else f"JAXLAYERS_DATA={folder} does not have it"
        raise ConnectionError(
            f"Tiny Shakespeare was not found: {looked}, and {error}\nPut it into a folder as 'tinyshakespeare.txt', "
            "and name the folder in JAXLAYERS_DATA; or hand the path of another text to load_data."
        ) from None
