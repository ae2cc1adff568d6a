"""A callback that sends the logs of every epoch to a server."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
import warnings
from typing import Any

import jax
import numpy as np

from jaxlayers.callbacks._callback import Callback


@dataclasses.dataclass(eq=False, repr=False)
class RemoteMonitor(Callback):
    """A callback that sends the logs of each epoch to a server as an HTTP POST request.

    If the server cannot be reached, a warning is given and training continues.

    Args:
        root: the address of the server; `"http://localhost:9000"` by default.
        path: the path on the server; `"/publish/epoch/end/"` by default.
        field: the name of the form field that holds the logs as JSON; `"data"` by default.
        headers: a dict of further HTTP headers; None, the default, for none.
        send_as_json: If True, the body is the JSON itself (`application/json`); if False (default), a form.

    Raises:
        ValueError: if `root` does not start with http:// or https://.

    Example:
        >>> import jaxlayers as jl
        >>> jl.callbacks.RemoteMonitor("http://localhost:9000", send_as_json=True).path
        '/publish/epoch/end/'
    """

    timeout = 10.0  # in seconds, so that a server that hangs does not block the training

    root: str = "http://localhost:9000"
    path: str = "/publish/epoch/end/"
    field: str = "data"
    headers: dict[str, str] | None = None
    send_as_json: bool = False

    def __post_init__(self) -> None:
        if urllib.parse.urlsplit(self.root).scheme not in ("http", "https"):
            raise ValueError(
                f"RemoteMonitor needs an address that starts with http:// or https://; received {self.root!r}."
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Send the logs of an epoch, in the first process alone."""
        if jax.process_index():
            return
        import urllib.request  # imported here: slow to load, and rarely needed

        text = json.dumps({"epoch": epoch} | {name: np.asarray(value).tolist() for name, value in (logs or {}).items()})
        if self.send_as_json:
            body, content_type = text, "application/json"
        else:
            body, content_type = urllib.parse.urlencode({self.field: text}), "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path, body.encode(), {"Content-Type": content_type, **(self.headers or {})}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout):
                pass
        except OSError as error:  # includes URLError and HTTPError
            warnings.warn(f"RemoteMonitor could not send to {self.root}{self.path}: {error}", stacklevel=2)
