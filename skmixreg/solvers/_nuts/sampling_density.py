r"""The density in the coordinates that chains move in.

`SamplingDensity` moves in theta itself, where labels are free.  `OrderedDensity` moves where one
coordinate c increases over components, as steps: :math:`c_1 = v_1` and
:math:`c_k = c_{k-1} + s_k \log(1 + e^{v_k})`, all other coordinates as they are.  With s_k about
the standard deviation of the gap, the step is linear in v where neighbours are apart, so that
there the posterior is not bent at all, and exponential where they may meet.  (With
:math:`e^{v_k}` alone, as is common, a gap that is known no better than its upper end makes a
banana: where components overlap, effective sample sizes were a fifth.)

The K! labellings of a parameter are equally likely, so restricting theta to the one that is in
order multiplies the density by K!, a constant that is left out; the map adds its log Jacobian
:math:`\sum_{k>1} \log \{s_k / (1 + e^{-v_k})\}`.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from ..._model.density import LogPosterior
from ..._model.few_rows import LogPosteriorNear
from ..._search.alignment import permuted_scale
from ..._search.mode_table import Mode
from ..._support.arrays import Array


class SamplingDensity:
    """Log posterior on theta, as it is.

    Parameters
    ----------
    density : LogPosterior or LogPosteriorNear
    """

    ordered_by: NDArray[np.intp] | None = None
    widths: Array = np.zeros(0)

    def __init__(self, density: LogPosterior | LogPosteriorNear):
        self.density = density
        self.layout = density.layout
        self.size = density.size

    def on_one_thread(self) -> SamplingDensity:
        """The same, for chains that run beside each other."""
        out = copy(self)
        out.density = self.density.on_one_thread()
        return out

    def theta(self, v: Array) -> Array:
        """The unconstrained vector at points (..., d)."""
        return v

    def position(self, theta: Array) -> Array:
        """The point (d,) of an unconstrained vector (d,), under the labels that are in order."""
        return theta

    def log_jacobian(self, v: Array) -> Array:
        """Log absolute determinant of the derivative of theta: (..., d) -> (...)."""
        return np.zeros(v.shape[:-1])

    def value_and_gradient(self, v: Array) -> tuple[float, Array]:
        """Log density at one point and its gradient, shape (d,)."""
        return self.density.value_and_gradient(v)

    def values(self, v: Array) -> Array:
        """Log density at many points: (S, d) -> (S,)."""
        prior, likelihood = self.density.values(self.theta(v))
        return prior + likelihood + self.log_jacobian(v)

    def around(self, mode: Mode) -> tuple[Array, Array]:
        """Centre (d,) and lower Cholesky factor (d, d) of a normal approximation at a mode."""
        return mode.theta, mode.scale


class OrderedDensity(SamplingDensity):
    """Log posterior where one coordinate increases over components.

    Parameters
    ----------
    density : LogPosterior or LogPosteriorNear
    ordered_by : ndarray of shape (K,)
        Positions in theta of that coordinate.
    mode : Mode
        Where the standard deviations of the gaps are taken.
    """

    def __init__(
        self,
        density: LogPosterior | LogPosteriorNear,
        ordered_by: NDArray[np.intp],
        mode: Mode,
    ):
        super().__init__(density)
        self.ordered_by = ordered_by
        self._first, self._rest = ordered_by[0], ordered_by[1:]
        _, scale = self._in_order(mode)
        self.widths = _deviations(np.diff(scale[ordered_by], axis=0))

    def theta(self, v: Array) -> Array:
        out = v.copy()
        out[..., self._rest] = self.widths * np.logaddexp(0.0, v[..., self._rest])
        out[..., self.ordered_by] = out[..., self.ordered_by].cumsum(axis=-1)
        return out

    def position(self, theta: Array) -> Array:
        out = self.layout.permute(theta, np.argsort(theta[self.ordered_by]))
        out[self._rest] = self._steps(np.diff(out[self.ordered_by]))
        return out

    def log_jacobian(self, v: Array) -> Array:
        return (log_expit(v[..., self._rest]) + np.log(self.widths)).sum(axis=-1)

    def value_and_gradient(self, v: Array) -> tuple[float, Array]:
        value, gradient = self.density.value_and_gradient(self.theta(v))
        steps = v[self._rest]
        # A step moves its own component and all that follow.
        following = gradient[self.ordered_by][::-1].cumsum()[::-1]
        gradient[self._first] = following[0]
        gradient[self._rest] = following[1:] * self.widths * expit(steps) + expit(-steps)
        return value + float(self.log_jacobian(v)), gradient

    def around(self, mode: Mode) -> tuple[Array, Array]:
        """As for theta, linearised at the mode.

        A gap narrower than its standard deviation counts as one standard deviation wide: there
        the map is far from linear, and the gap of a draw is about that wide.
        """
        centre, scale = self._in_order(mode)
        rises = np.diff(scale[self.ordered_by], axis=0)
        gaps = np.maximum(np.diff(centre[self.ordered_by]), _deviations(rises))
        steps = self._steps(gaps)
        centre[self._rest] = steps
        scale[self._rest] = rises / (self.widths * expit(steps))[:, None]
        return centre, _lower(scale)

    def _in_order(self, mode: Mode) -> tuple[Array, Array]:
        """A mode and a square root of its covariance, under the labels that are in order."""
        order = np.argsort(mode.theta[self.ordered_by])
        return self.layout.permute(mode.theta, order), permuted_scale(
            self.layout, mode.scale, order
        )

    def _steps(self, gaps: Array) -> Array:
        """The v of gaps; of a gap that is none, one that is as good as none."""
        gaps = np.maximum(gaps / self.widths, np.finfo(np.float64).tiny)
        return gaps + np.log(-np.expm1(-gaps))


def _deviations(root: Array) -> Array:
    """Standard deviations, from a square root of the covariance."""
    return np.sqrt((root**2).sum(axis=1))


def _lower(root: Array) -> Array:
    """The lower Cholesky factor of ``root @ root.T``."""
    upper = np.linalg.qr(root.T, mode="r")
    return (upper * np.sign(np.diagonal(upper))[:, None]).T
