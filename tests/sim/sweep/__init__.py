"""Tests of the sweep kernels."""
