"""Schemas: how the tables of one program are read as an account. `legacy_of` finds the right one by columns."""

from ledger.rescue.schema.choosing import FORMS, identify, legacy_of
from ledger.rescue.schema.options import Options

__all__ = ["FORMS", "Options", "identify", "legacy_of"]
