"""Download a file whole or not at all, and never from an encrypted address over one that is not encrypted."""

from __future__ import annotations

import os
import shutil
import urllib.parse
from collections.abc import Callable
from typing import Any

from jaxlayers.files.atomic import replacing


def download(
    url: str,
    target: str | os.PathLike[str],
    file_hash: str | None = None,
    algorithm: str = "auto",
    before_replacing: Callable[[], Any] | None = None,
) -> None:
    """Download a file to a temporary name beside its target, check its hash, and rename it.

    Args:
        url: an address of the schemes `https`, `http`, `ftp`, `sftp`, `doi` or `file`.
        target: the path of the file; its directory exists.
        file_hash: the expected hash; None, the default, for no check.
        algorithm: `"md5"`, `"sha256"` or `"auto"` (default), as in `has_hash`.
        before_replacing: a function to call between the check and the renaming; None, the default, for none.

    Raises:
        ValueError: if the hash differs.
        OSError: if the download fails, or an `https` address redirects to another scheme. In each case the target is
            as it was.
    """
    parts = urllib.parse.urlsplit(url)
    with replacing(target) as temporary:
        if parts.scheme == "file":
            from urllib.request import url2pathname  # imported here: slow to load, and rarely needed

            shutil.copyfile(url2pathname(parts.path), temporary)
        elif parts.scheme in ("http", "https"):
            http_downloader()(url, temporary, None)
        else:
            import pooch

            pooch.downloaders.choose_downloader(url)(url, temporary, None)
        if not has_hash(temporary, file_hash, algorithm):
            raise ValueError(
                f"The file from {url} does not have the hash {file_hash}: the download is damaged, or the file has "
                "changed. It was deleted."
            )
        if before_replacing is not None:
            before_replacing()


def http_downloader(**options: Any) -> Any:
    """Return pooch's downloader for HTTP; one that has begun with `https` refuses to be redirected to `http`.

    Args:
        **options: the arguments of `requests.get`, such as `timeout`.
    """
    import pooch

    return pooch.HTTPDownloader(chunk_size=1 << 16, hooks={"response": _refuse_downgrade}, **options)


def answers(url: str, timeout: float) -> bool:
    """True if there is a file at an HTTP address; one with `https` must not redirect to `http`."""
    import requests

    hooks = {"response": _refuse_downgrade}
    return requests.head(url, timeout=timeout, allow_redirects=True, hooks=hooks).status_code == 200


def has_hash(path: str | os.PathLike[str], file_hash: str | None, algorithm: str = "auto") -> bool:
    """True if a file has a hash, or none is expected.

    Args:
        path: the path of the file.
        file_hash: the hash in hexadecimal digits, or None.
        algorithm: `"md5"`, `"sha256"`, or `"auto"` (default), which infers it from the length of the hash.
    """
    if file_hash is None:
        return True
    import pooch

    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == 64 else "md5"
    return pooch.file_hash(os.fspath(path), alg=algorithm) == file_hash.lower()


def _refuse_downgrade(response: Any, **_: Any) -> None:
    """Raise an error for a redirect from `https` to another scheme: a hook of `requests`, called for each response."""
    target = urllib.parse.urljoin(response.url, response.headers.get("location", ""))
    if response.is_redirect and response.url.startswith("https:") and not target.startswith("https:"):
        response.close()
        raise ConnectionError(f"{response.url} redirects to {target}, which is not encrypted. Nothing was downloaded.")
