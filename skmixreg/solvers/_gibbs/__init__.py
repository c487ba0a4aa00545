"""Sweeps of `gibbs`, its chains and jumps."""
