"""A folder of validated bars, one Parquet file for each symbol, bar length and kind of prices."""

from sim.data.store.folder import Entry, Kept, Store, is_store

__all__ = ["Entry", "Kept", "Store", "is_store"]
