"""Quantiles of the probability integral transform against those that a true model gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, ndtri

from .._estimators import parameters, validation
from .._estimators._validation import arguments
from .._posterior.bands import distribution_function
from .._support.arrays import Array
from . import _style
from ._features import regressor_at

Scale = Literal["normal", "uniform"]
DRAWN = 200  # order statistics drawn of many rows, about
TAIL = 30  # of them at either end, where they are apart
SIMULATIONS = 2000
SMALLEST = 2.0**-53  # a distribution function is not known closer to 1


class ResidualQuantileDisplay:
    r"""Q-Q plot of quantile residuals, with a simultaneous band.

    The probability integral transform :math:`u_i = P(y \le y_i \mid x_i)`, under the posterior
    predictive distribution, is uniform if the model is right; :math:`\Phi^{-1}(u_i)`, the quantile
    residual, is normal.  Ordered values lie within the band, all of them at once, with the
    stated probability, if rows are independent and the model is right; those outside are crosses.

    Of counts, whose distribution function jumps, u is uniform between
    :math:`P(y < y_i \mid x_i)` and :math:`P(y \le y_i \mid x_i)`: the randomised quantile
    residuals of Dunn and Smyth (1996), with the same random numbers in every call unless
    ``random_state`` says otherwise.

    The model has seen the rows it was fitted to, so that their values are a little too even and
    stay in the band more often; new rows, or values with each row left out, have no such excuse.

    It is recommended to use `from_estimator` or `from_pit`.  All parameters are stored as
    attributes.

    Parameters
    ----------
    theoretical : ndarray of shape (m,)
        Expected order statistics of uniform values: rank / (n + 1), for the ranks drawn.
    observed : ndarray of shape (m,)
        Ordered values of u at these ranks.
    lower, upper : ndarray of shape (m,)
        Band.
    probability : float, default=0.95
        Probability of the band.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    band_ : matplotlib PolyCollection
    line_ : matplotlib Line2D
        Where a perfect model lies.
    points_, outside_ : matplotlib PathCollection
        Values within the band and those that are not.
    legend_ : matplotlib Legend

    References
    ----------
    Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. Journal of Computational
    and Graphical Statistics 5, 236-244.

    Aldor-Noiman, S., Brown, L. D., Buja, A., Rolke, W. and Stine, R. A. (2013). The power to see:
    a new graphical test of normality. The American Statistician 67, 249-260.

    Säilynoja, T., Bürkner, P.-C. and Vehtari, A. (2022). Graphical test for discrete uniformity
    and its applications in goodness-of-fit evaluation and multiple sample comparison. Statistics
    and Computing 32, 32.

    Examples
    --------
    >>> from skmixreg.inspection import ResidualQuantileDisplay
    >>> ResidualQuantileDisplay.from_estimator(model, X_new, y_new)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        theoretical: Array,
        observed: Array,
        lower: Array,
        upper: Array,
        probability: float = 0.95,
    ):
        self.theoretical = theoretical
        self.observed = observed
        self.lower = lower
        self.upper = upper
        self.probability = probability

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        probability: float = 0.95,
        random_state: Any = 0,
        scale: Scale = "normal",
        detrend: bool = False,
        ax: Any = None,
        scatter_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Transform the rows and draw them.

        Parameters
        ----------
        estimator : BayesianMixtureRegressor
            Fitted; or a Pipeline that ends in one, or a search over either.
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        probability : float, default=0.95
            That all values lie in the band, if the model is right.
        random_state : int, RandomState, Generator or None, default=0
            For the simulation of the band, and the values of u of counts; the same ones in every
            call by default.  Whether a picture of counts rests on these shows in some others.
        scale : {"normal", "uniform"}, default="normal"
            Quantile residuals, whose tails show, or u itself.
        detrend : bool, default=False
            Whether to draw differences from the expected values: for many rows, where the band is
            as narrow as a line.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        scatter_kw, band_kw, line_kw : dict, default=None
            Keywords of ``Axes.scatter``, ``fill_between`` and ``plot``.

        Returns
        -------
        ResidualQuantileDisplay

        Raises
        ------
        ValueError
            If ``probability`` or ``scale`` is none.
        TypeError
            If ``estimator`` does not end in a mixture.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("ResidualQuantileDisplay")
        regressor, rows = regressor_at(estimator, X)
        rows, target = validation.validate_rows_and_target(regressor, rows, y, by_group=False)
        posterior = regressor._predictive
        # Of counts also that of the count below.
        points = np.column_stack([target - 1.0, target] if posterior.discrete else [target])
        pit = distribution_function(posterior, rows, points, n_threads=regressor._threads())
        values = pit[:, -1]
        if posterior.discrete:
            random_state = parameters.resolve_generator(random_state)
            values = pit[:, 0] + random_state.random(len(pit)) * (pit[:, 1] - pit[:, 0])
        return cls.from_pit(
            values,
            probability=probability,
            random_state=random_state,
            scale=scale,
            detrend=detrend,
            ax=ax,
            scatter_kw=scatter_kw,
            band_kw=band_kw,
            line_kw=line_kw,
        )

    @classmethod
    def from_pit(
        cls,
        pit: ArrayLike,
        *,
        probability: float = 0.95,
        random_state: Any = 0,
        scale: Scale = "normal",
        detrend: bool = False,
        ax: Any = None,
        scatter_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw values that were transformed elsewhere, such as with each row left out.

        The band is that of Aldor-Noiman et al. (2013), with the same probability outside at every
        rank, from 2,000 simulations: its probability is right within about 0.01.  Of more than 260
        rows, evenly spaced order statistics and the first and last 30 are drawn, and the band is
        that of these.

        Parameters
        ----------
        pit : array-like of shape (n,)
            From 0 to 1.
        probability : float, default=0.95
            That all values lie in the band, if they are uniform.
        random_state : int, RandomState, Generator or None, default=0
            For the simulation of the band; the same band in every call by default.
        scale : {"normal", "uniform"}, default="normal"
            Quantile residuals, whose tails show, or u itself.
        detrend : bool, default=False
            Whether to draw differences from the expected values.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        scatter_kw, band_kw, line_kw : dict, default=None
            Keywords of ``Axes.scatter``, ``fill_between`` and ``plot``.

        Returns
        -------
        ResidualQuantileDisplay

        Raises
        ------
        ValueError
            If values are not from 0 to 1, or there are none.
        MissingPackageError
            If matplotlib is not installed.
        """
        _style.pyplot("ResidualQuantileDisplay")
        _check_scale(scale)
        probability = arguments.check_coverage(probability, "probability")
        values = np.sort(np.asarray(pit, dtype=np.float64).ravel())
        if not len(values) or not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError("pit must hold probabilities, numbers from 0 to 1, at least one.")
        n = len(values)
        ranks = drawn_ranks(n)
        lower, upper = simultaneous_band(
            ranks, n, probability, parameters.resolve_generator(random_state)
        )
        return cls(
            theoretical=ranks / (n + 1.0),
            observed=values[ranks - 1],
            lower=lower,
            upper=upper,
            probability=probability,
        ).plot(
            ax,
            scale=scale,
            detrend=detrend,
            scatter_kw=scatter_kw,
            band_kw=band_kw,
            line_kw=line_kw,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        scale: Scale = "normal",
        detrend: bool = False,
        scatter_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw.

        On the normal scale, values closer than 1e-16 to 0 or 1 are drawn at plus or minus 8.2,
        since a distribution function is not known closer to 1.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        scale : {"normal", "uniform"}, default="normal"
            Quantile residuals or u itself.
        detrend : bool, default=False
            Whether to draw differences from the expected values.
        scatter_kw, band_kw, line_kw : dict, default=None
            Keywords of ``Axes.scatter``, ``fill_between`` and ``plot``.

        Returns
        -------
        ResidualQuantileDisplay

        Raises
        ------
        ValueError
            If there is no such scale.
        MissingPackageError
            If matplotlib is not installed.
        """
        _check_scale(scale)
        ax = _style.axes_or_new(ax, "ResidualQuantileDisplay")
        from matplotlib.collections import PathCollection, PolyCollection
        from matplotlib.lines import Line2D

        expected, observed, lower, upper = (
            _on_scale(a, scale) for a in (self.theoretical, self.observed, self.lower, self.upper)
        )
        base = expected if detrend else np.zeros(len(expected))
        band = {"facecolor": "0.85", "linewidth": 0, "zorder": 0.5}
        band = _style.merged(band, band_kw, PolyCollection)
        band.setdefault("label", f"{100 * self.probability:g}% band")
        self.band_ = ax.fill_between(expected, lower - base, upper - base, **band)
        line = _style.merged({"color": "0.3", "linewidth": 1.0, "zorder": 1}, line_kw, Line2D)
        self.line_ = ax.plot(expected, expected - base, **line)[0]
        out = (self.observed < self.lower) | (self.observed > self.upper)
        inner = {"s": 12, "color": "C0", "label": "rows", "zorder": 2}
        outer = {"s": 28, "color": "C3", "marker": "x", "label": "outside", "zorder": 2.5}
        self.points_, self.outside_ = (
            ax.scatter(
                expected[part], (observed - base)[part],
                **_style.merged(points, scatter_kw, PathCollection),
            )
            for part, points in ((~out, inner), (out, outer))
        )  # fmt: skip
        what = "quantile residual" if scale == "normal" else "u = P(y ≤ observed | x)"
        ax.set_xlabel(f"{scale} quantile")
        ax.set_ylabel(f"{what} - quantile" if detrend else what)
        handles = [self.points_, *([self.outside_] if out.any() else []), self.band_]
        self.legend_ = _style.legend_above(ax, handles)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def drawn_ranks(n: int) -> NDArray[np.int64]:
    """Ranks of the order statistics drawn, 1 to n: all of few rows."""
    if n <= DRAWN + 2 * TAIL:
        return np.arange(1, n + 1)
    inner = np.round(np.linspace(TAIL, n + 1 - TAIL, DRAWN)).astype(np.int64)
    return np.unique(np.concatenate([np.arange(1, TAIL), inner, np.arange(n + 2 - TAIL, n + 1)]))


def simultaneous_band(
    ranks: NDArray[np.int64], n: int, probability: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Bounds that the order statistics of n uniform values keep, all at once.

    Each order statistic is beyond either bound with the same probability; that is chosen by
    simulation so that all are within with the given probability.

    Parameters
    ----------
    ranks : ndarray of shape (m,)
        Ascending.
    n : int
    probability : float
    rng : numpy.random.Generator

    Returns
    -------
    lower, upper : ndarray of shape (m,)
    """
    # Order statistics are sums of exponential spacings over the sum of all n + 1.
    spacings = rng.standard_gamma(
        np.diff(ranks, prepend=0, append=n + 1), size=(SIMULATIONS, len(ranks) + 1)
    )
    sums = np.cumsum(spacings, axis=1)
    below = betainc(ranks, n + 1.0 - ranks, sums[:, :-1] / sums[:, -1:])
    tail = np.quantile(np.minimum(below, 1.0 - below).min(axis=1), 1.0 - probability)
    lower, upper = betaincinv(ranks, n + 1.0 - ranks, np.array([[tail], [1.0 - tail]]))
    return lower, upper


def _check_scale(scale: Any) -> None:
    if scale not in get_args(Scale):
        raise ValueError(f"scale must be 'normal' or 'uniform', got {scale!r}.")


def _on_scale(values: Array, scale: Scale) -> Array:
    if scale == "uniform":
        return values
    return np.asarray(ndtri(np.clip(values, SMALLEST, 1.0 - SMALLEST)))
