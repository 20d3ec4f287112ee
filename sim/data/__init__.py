"""The data room: readers, validation, corporate actions, calendar. See README.md in this folder."""

from sim.data.errors import REPAIRS, DataError
from sim.data.history import Action, History, Repair
from sim.data.load import load
from sim.data.resample import known_at, resample

__all__ = ["REPAIRS", "Action", "DataError", "History", "Repair", "known_at", "load", "resample"]
