"""Means of parameters over windows of iterations, until two of them agree."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._support.arrays import Array

SHORTEST_WINDOW = 128


class WindowMeans:
    """PyMC callback: averages iterates over windows that double, and stops when they settle.

    Windows end at n, n/2, n/4, ... iterations and each is the second half of what has run.  A
    single iterate moves with the noise of its gradient and never settles; means of windows do.
    As both the window and the decay of the learning rate double, what noise and bias are left
    halve from one window to the next: the difference of two means is about the error of the last.

    Parameters
    ----------
    n_iterations : int
    tolerance : float
        For PyMC's ``CheckParametersConvergence``: largest absolute difference of two means.
    mean_unit : ndarray of shape (d,)
        What one unit of the approximation's mean counts in the comparison.

    Attributes
    ----------
    means : dict of ndarrays
        Means over the last full window, by PyMC's name of the parameter; empty before the first.
    change : float
        Largest difference of the last two; NaN before the second.
    settled : bool
    """

    def __init__(self, n_iterations: int, tolerance: float, mean_unit: Array):
        from pymc.variational.callbacks import CheckParametersConvergence

        self._check = CheckParametersConvergence(every=1, tolerance=tolerance, diff="absolute")
        self._unit = mean_unit
        ends = [n_iterations]
        while ends[-1] >= 4 * SHORTEST_WINDOW:
            ends.append(ends[-1] // 2)
        self._ends = ends[::-1]
        self._from = self._ends[0] // 2
        self._sums: dict[str, Array] = {}
        self.means: dict[str, Array] = {}
        self.change = np.nan
        self.settled = False

    def __call__(self, approx: Any, losses: Array, i: int) -> None:
        if i <= self._from:
            return
        for parameter in approx.params:
            value = parameter.get_value(borrow=True)
            if parameter.name in self._sums:
                self._sums[parameter.name] += value
            else:
                self._sums[parameter.name] = value.copy()
        if i == self._ends[0]:
            self._close_window(losses, i)

    def _close_window(self, losses: Array, i: int) -> None:
        means = {name: total / (i - self._from) for name, total in self._sums.items()}
        self._sums, self._from = {}, i
        del self._ends[0]
        if not all(np.isfinite(value).all() for value in means.values()):
            return
        compared = {**means, "mu": means["mu"] * self._unit}
        if self.means:
            before = {**self.means, "mu": self.means["mu"] * self._unit}
            self.change = max(float(np.abs(compared[k] - before[k]).max()) for k in compared)
        self.means = means
        try:
            self._check(_Approximation(compared), losses, i)
        except StopIteration:
            self.settled = True
            raise


class _Approximation:
    """What PyMC's check looks at: ``params`` with ``get_value``."""

    def __init__(self, values: dict[str, Array]):
        self.params = [_Parameter(value) for value in values.values()]


class _Parameter:
    def __init__(self, value: Array):
        self._value = value

    def get_value(self) -> Array:
        return self._value
