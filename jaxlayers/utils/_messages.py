"""Messages to the user, which are printed or logged as the settings say."""

from __future__ import annotations

import logging
import sys

from jaxlayers.config import is_interactive_logging_enabled


def print_message(message: str, end: str = "\n") -> None:
    """Print a message if interactive logging is enabled; otherwise log it with level INFO to the logger `jaxlayers`."""
    if is_interactive_logging_enabled():
        sys.stdout.write(message + end)
        sys.stdout.flush()
    else:
        logging.getLogger("jaxlayers").info(message)
