"""The compiled parts of `decide` and `apply`; only `ledger.core` is their public face."""
