"""The figures of every epoch, sent to a server."""

from __future__ import annotations

import json
import urllib.parse
import warnings
from typing import Any

import numpy as np

from jaxlayers.callbacks._callback import Callback


class RemoteMonitor(Callback):
    """Sends the figures of each epoch to a server, as an HTTP POST; a server that does not answer is a warning.

    Args:
        root: the address of the server.
        path: the path below it.
        field: the name of the form's field that holds the figures as JSON.
        headers: further HTTP headers.
        send_as_json: whether to send the JSON alone, as `application/json`, rather than in a form.

    Raises:
        ValueError: when the address is not one of HTTP.

    Example:
        >>> import jaxlayers as jl
        >>> jl.callbacks.RemoteMonitor("http://localhost:9000", send_as_json=True).path
        '/publish/epoch/end/'
    """

    timeout = 10.0  # seconds: a server that hangs must not hold up the training for ever

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ):
        if urllib.parse.urlsplit(root).scheme not in ("http", "https"):
            raise ValueError(f"RemoteMonitor needs an address that starts with http:// or https://; received {root!r}.")
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Send the figures."""
        import urllib.request  # takes some time to load, and few need it

        text = json.dumps({"epoch": epoch} | {name: np.asarray(value).tolist() for name, value in (logs or {}).items()})
        if self.send_as_json:
            body, kind = text, "application/json"
        else:
            body, kind = urllib.parse.urlencode({self.field: text}), "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout):
                pass
        except OSError as error:  # URLError and HTTPError are, too
            warnings.warn(f"RemoteMonitor could not send to {self.root}{self.path}: {error}", stacklevel=2)
