"""Faults: everything that goes wrong with a real gateway, by name, seed and plan."""
