"""Tests of the backtest loop and of a run end to end."""
