"""Messages about what goes on: printed, or handed to a logger."""

from __future__ import annotations

import logging
import sys

from jaxlayers.config import is_interactive_logging_enabled


def print_message(message: str, end: str = "\n") -> None:
    """Show a message where the settings say."""
    if is_interactive_logging_enabled():
        sys.stdout.write(message + end)
        sys.stdout.flush()
    else:
        logging.getLogger("jaxlayers").info(message)
