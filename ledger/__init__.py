"""The exact ledger, the order gate and the journal: see README.md in this folder."""
