"""The model in PyMC; the only room beside solvers that imports it."""
