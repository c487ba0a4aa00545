"""Priors: what the user states, on the standardised scale, and the numbers solvers see."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from .._support.arrays import Array
from .standardisation import Standardisation

DEFAULT_FLOOR = 0.003


class NumericPriors(NamedTuple):
    """Every number of the prior, resolved before a solver runs.  Standardised units."""

    weight_concentration: float
    coef_scale: float
    intercept_scale: float
    sigma_floor: float
    sigma_ceiling: float


class Priors(BaseEstimator):
    r"""Hyperparameters of the prior, in units of the standardised data.

    Columns of X and the response are centred and scaled to unit standard deviation (scaled only,
    to unit root mean square, without an intercept).  A standard deviation that few rows decide on,
    such as one typing error, is replaced by ten times that of the others, 98% of the rows, if that
    is less.  Location and scale of responses that are censored, or have known errors, are those of
    the most likely normal distribution of what would be seen without.  On this scale

    .. math::

        w &\sim \mathrm{Dirichlet}(c, \dots, c) \\
        b_{0k} &\sim N(0, s_0^2), \qquad b_k \sim N(0, s_b^2 C) \\
        p(\log \sigma_k) &= \exp\{-(f/\sigma_k)^2/2 - (\sigma_k/u)^2/2\} \, / \, K_0(f/u)

    With :math:`S` the mean of :math:`z z'` over the rows, z the standardised columns, and
    :math:`r` its rank,

    .. math::

        C = (1 - t) \, S^+ / r + t I, \qquad
        t = \min\Bigl\{1, \max\Bigl\{0, \frac{r / n - 0.2}{0.5 - 0.2}\Bigr\}\Bigr\} .

    Up to one column for five rows, :math:`t = 0`, the prior is that of whitened columns: a line has
    the variance :math:`s_b^2` at a row, on average, whatever the number of columns, and nothing
    depends on how they are written: shifted, rotated, other levels of a factor, powers of a year.
    A direction in which the rows do not spread has the slope 0, and so has a constant column.
    With more than one column for two rows slopes of the columns as they are are independent,
    since whitened ones would make every row a direction of its own.  With one column C = 1.

    The last line of the prior says that sigma_k^2 follows the generalised inverse Gaussian
    distribution GIG(0, 1/u^2, f^2) (Jorgensen 1982, eq. 2.2): flat in log(sigma) between the floor
    f and the ceiling u, with Gaussian walls outside.  It is conditionally conjugate to the normal
    likelihood, keeps the density bounded when rows are tied or collinear, and has all moments.

    A family that takes the response as it is, as those of counts do, has the same priors on the
    scale of its link: columns are standardised, y is not, the intercept at the mean of X is
    centred at the link of the mean response (the logarithm of the mean count), and scales are in
    units of the link; ``y_scale`` is not used.  A family of normal errors of log y has log y
    standardised, and in all that follows log y stands for y.  Of a family with a coefficient of
    variation, ``sigma_floor`` and ``sigma_ceiling`` are those of that; counts do not use them.

    Parameters
    ----------
    weight_concentration : float, default=1.0
        c > 0.  With 1 every vector of weights is equally likely, and a spare component empties
        itself (Rousseau and Mengersen 2011: c below half the parameters of a component).
    coef_scale : float, default=2.5
        s_b > 0, in standard deviations of y per standard deviation of a column, or of all whitened
        columns together.
    intercept_scale : float, default=2.5
        s_0 > 0, in standard deviations of y; the intercept is the one at the mean of X.
    sigma_floor : float or None, default=None
        f > 0, in standard deviations of y: residual sds far below it are not believed.  None is
        0.003, or more where y looks rounded: with all responses multiples of a step s, up to an
        offset, and m the total weight of the most frequent one,

        .. math::

            f = \max\{0.003, \; \min(\sqrt{m} \, s / \sqrt{12}, \; u / 2)\} .

        A density has no bound on tied responses, while rounding alone has the standard deviation
        :math:`s / \sqrt{12}`.  As :math:`f^2` adds to the sum of squared residuals of a
        component, one that holds tied rows only has :math:`\sigma = f / \sqrt{m} =
        s / \sqrt{12}`; of n rows it adds :math:`(m / n) \, s^2 / 12` to :math:`\sigma^2`.  Where
        no responses are tied, or they are on no common lattice, f is 0.003.  `diagnostics` says
        what was found.
    sigma_ceiling : float, default=1.5
        u > f, in standard deviations of y.
    x_location, x_scale : float or array-like of shape (p,), default=None
        What is subtracted from the columns of X, and what they are divided by; None is their mean
        and standard deviation in the data.  With given numbers the prior does not depend on the
        data, so that fits to different rows have one and the same prior, and columns are not
        whitened.  Without an intercept locations are 0.
    y_location, y_scale : float, default=None
        The same for y.  Of a response that is taken as it is, ``y_location`` is where the
        intercept is centred, on the scale of the link.
    x_whitening : bool or array-like of shape (r, p), default=None
        True whitens columns however few the rows are (t = 0), False never (t = 1).  A matrix T
        is given: slopes have C = T'T.  None is the formula above.

    References
    ----------
    Jorgensen, B. (1982). Statistical Properties of the Generalized Inverse Gaussian
    Distribution. Springer.

    Rousseau, J. and Mengersen, K. (2011). Asymptotic behaviour of the posterior distribution in
    overfitted mixture models. JRSS B 73, 689-710.
    """

    def __init__(
        self,
        weight_concentration: float = 1.0,
        coef_scale: float = 2.5,
        intercept_scale: float = 2.5,
        sigma_floor: float | None = None,
        sigma_ceiling: float = 1.5,
        x_location: ArrayLike | None = None,
        x_scale: ArrayLike | None = None,
        y_location: float | None = None,
        y_scale: float | None = None,
        x_whitening: bool | ArrayLike | None = None,
    ):
        self.weight_concentration = weight_concentration
        self.coef_scale = coef_scale
        self.intercept_scale = intercept_scale
        self.sigma_floor = sigma_floor
        self.sigma_ceiling = sigma_ceiling
        self.x_location = x_location
        self.x_scale = x_scale
        self.y_location = y_location
        self.y_scale = y_scale
        self.x_whitening = x_whitening

    def resolve(self) -> NumericPriors:
        """The numbers, checked; of y that is not known to be rounded.

        Raises
        ------
        ValueError
            If a hyperparameter is not a positive finite number, or floor >= ceiling.
        """
        values = {}
        for name in NumericPriors._fields:
            value = getattr(self, name)
            if name == "sigma_floor" and value is None:
                value = DEFAULT_FLOOR
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = float("nan")
            if not 0.0 < number < float("inf"):
                raise ValueError(
                    f"Priors({name}=...) must be a positive finite number, got {value!r}."
                )
            values[name] = number
        if values["sigma_floor"] >= values["sigma_ceiling"]:
            raise ValueError(
                "Priors(sigma_floor=...) must lie below sigma_ceiling, got "
                f"{values['sigma_floor']} and {values['sigma_ceiling']}."
            )
        return NumericPriors(**values)

    def standardised_as(self, model: Any) -> Self:
        """These priors on the scale of another fit, whatever the data.

        Parameters
        ----------
        model : BayesianMixtureRegressor
            Fitted; its standardisation is taken over, and its floor of sigma unless one is given.

        Returns
        -------
        Priors
            A copy with the locations, scales and the floor given.

        Examples
        --------
        >>> priors = Priors().standardised_as(streamed)  # doctest: +SKIP
        >>> whole = BayesianMixtureRegressor(solver="cavi", priors=priors)  # doctest: +SKIP
        """
        given = model.posterior_.design.standardisation._asdict()
        for name in ("x_axis", "roles", "gate"):
            del given[name]
        if self.sigma_floor is None:
            given["sigma_floor"] = model.posterior_.priors.sigma_floor
        return clone(self).set_params(**given)

    def standardisation(self, n_features: int, fit_intercept: bool) -> Standardisation:
        """The given locations and scales, checked.

        Raises
        ------
        ValueError
            If one is not a finite number, or not one per column, a scale is not positive, or a
            location is not 0 although there is no intercept.
        """
        values: dict[str, Any] = {}
        for name in ("x_location", "x_scale", "y_location", "y_scale"):
            value = getattr(self, name)
            if value is None:
                continue
            shape = (n_features,) if name.startswith("x") else ()
            numbers = _numbers(value, shape)
            if name.endswith("scale"):
                wanted, right = "positive finite", (numbers > 0) & (numbers < np.inf)
            elif fit_intercept:
                wanted, right = "finite", np.isfinite(numbers)
            else:
                wanted, right = "zero (there is no intercept)", numbers == 0.0
            if not right.all():
                each = f", or {n_features} of them, one per column" if shape else ""
                raise ValueError(
                    f"Priors({name}=...) must be a {wanted} number{each}, got {value!r}."
                )
            values[name] = numbers if shape else float(numbers)
        return Standardisation(**values, x_whitening=_whitening(self.x_whitening, n_features))


def _whitening(value: Any, n_features: int) -> Array | bool | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    matrix = _numbers(value, np.shape(value))
    if matrix.ndim != 2 or matrix.shape[1] != n_features or not np.isfinite(matrix).all():
        raise ValueError(
            "Priors(x_whitening=...) must be True, False, None or a matrix of finite numbers with "
            f"{n_features} columns, one per column of X, got {value!r}."
        )
    return matrix


def _numbers(value: Any, shape: tuple[int, ...]) -> Array:
    """An array of this shape; nan where the value is something else."""
    try:
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), shape))
    except (TypeError, ValueError):
        return np.full(shape, np.nan)
