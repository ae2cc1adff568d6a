"""Checkpoints of training states: pytrees in Orbax's format, committed whole or absent, and verified when read.

A checkpoint is a directory. It appears under its name when all of its files are written and on the disk, so a process
that is killed while it saves leaves no half of one. A list of hashes inside tells damaged and missing files.
"""

from jaxlayers.checkpoint._checkpoints import extra as extra, latest as latest, restore as restore, save as save
from jaxlayers.checkpoint._files import DamagedError as DamagedError
from jaxlayers.checkpoint._manager import Manager as Manager
from jaxlayers.common import exports

__all__ = exports.public_names(vars())
