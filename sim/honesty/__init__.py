"""Is a result luck? The trial ledger, walk-forward, cross-validation, tests of overfitting, a linter; see README.md."""
