"""Sweeps: many combinations of one strategy's parameters, through kernels that give the books of `sim.run.simulate`.

Theory of operation. See README.md in this folder. `sweep` is the front door; `SweepResult` is what it leaves.
"""

from sim.sweep.grid import Combos, Grid, combinations, grid, parse_grid
from sim.sweep.result import SweepResult
from sim.sweep.run import ENGINES, METHODS, SweepInterrupted, sweep

__all__ = ["ENGINES", "METHODS", "Combos", "Grid", "SweepInterrupted", "SweepResult", "combinations", "grid", "parse_grid", "sweep"]
