"""The backtest engine: bars and wishes in, events out; see the files' own docstrings."""
