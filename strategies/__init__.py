"""Pure signals: one file a strategy; see README.md in this folder."""
