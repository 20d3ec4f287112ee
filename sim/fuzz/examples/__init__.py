"""Worked examples: a bot with the usual hole, the scenario that finds it, and the repair."""
