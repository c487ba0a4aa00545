"""The contract of a likelihood family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from .._support.arrays import Array
from ._distributions.notation import Notation, upright
from ._priors import BlockPrior


class Support(NamedTuple):
    """The interval in which responses lie; whole numbers of it where the family is discrete."""

    low: float
    high: float
    low_inclusive: bool = False
    high_inclusive: bool = False

    def contains(self, y: Array) -> Any:
        """Whether each value lies in the interval."""
        above = y >= self.low if self.low_inclusive else y > self.low
        below = y <= self.high if self.high_inclusive else y < self.high
        return above & below


class Extra(NamedTuple):
    """A parameter of every component beside its line; its coordinate is a logarithm.

    The parameter is least + unit * exp(power * coordinate).

    Attributes
    ----------
    name : str
        ``sigma`` becomes the attribute ``sigma_`` and the variable ``sigma`` of the posterior.
    in_units_of_y : bool
        Whether it grows with what is standardised, as a standard deviation does.
    power : float, default=1.0
        With -2 the coordinate of a shape is the logarithm of the coefficient of variation, which
        scales errors as a sigma does.
    least : float, default=0.0
        What the parameter is above; it does not grow with the response.
    unit : float, default=1.0
        The parameter, from ``least``, where the coordinate is 0: the median under a prior that is
        centred there.
    symbol : str, default=""
        LaTeX of it, without a subscript; its name if empty.
    """

    name: str
    in_units_of_y: bool
    power: float = 1.0
    least: float = 0.0
    unit: float = 1.0
    symbol: str = ""

    def natural(self, coordinate: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
        """The parameter from its coordinate."""
        return self.least + self.unit * exp(self.power * coordinate)


class Family(BaseEstimator, ABC):
    """A distribution of y given a linear predictor and what else a component has.

    A family is stateless, but for `standardised`: its settings are constructor parameters, seen by
    the kernels as `kernel_settings`, whose type selects the family's compiled block functions.
    NumPy methods broadcast ``y``, ``eta`` (the linear predictor) and the extra parameters, which
    are given on their natural scales, one argument each in the order of ``extras``.

    Attributes
    ----------
    name : str
        What the user types.
    link : {"identity", "log", "logit"}
        The linear predictor is this function of the mean, or of what the docstring names.
    support : Support
    discrete : bool
        Whether responses are whole numbers: densities are then probabilities.
    column_options : tuple of str
        Constructor parameters that name a column of X, which is no regressor then: trials, say.
    columns_in_units_of_y : bool
        Whether these columns grow with the response.
    response_scale : {"affine", "log", "none"}
        "affine": y is centred and scaled before a fit.  "log": log y is, for linear predictors
        and extras, while y is taken as it is; the family is then `standardised`.  "none": y is
        taken as it is, and the intercept at the mean of X is centred at `location`.
    extras : tuple of Extra
    linear_mean : bool
        The mean is the linear predictor, and the variance does not depend on it: predictions
        then follow from moments of the posterior.
    conjugate : bool
        Whether the full conditional distributions of lines and extras are those of the Gaussian
        family.
    unimodal : bool
        Whether a single regression has one mode; if not, searches have as many starts as for more.
    censorable : bool
        Whether there is a `tail_terms`, for rows that are known to one side only.
    bend : int or None
        The extra parameter that scales the uncertainty of the line, as sigma does.
    floor_of_rounding : {"floor", "relative_floor"} or None
        Which of a `Resolution` is the least ``sigma_floor`` where y looks rounded, if the family
        has such a floor: it scales with y, or with the mean.
    floor_words : str
        What that is a floor of, for messages.
    largest_predictor : float
        Predictive distributions take larger linear predictors as this one.
    background : Background or None
        A component without a line that stands beside those of the mixture.
    """

    name: ClassVar[str]
    link: ClassVar[Literal["identity", "log", "logit"]]
    support: ClassVar[Support] = Support(-np.inf, np.inf)
    discrete: ClassVar[bool] = False
    response_scale: ClassVar[Literal["affine", "log", "none"]] = "none"
    extras: ClassVar[tuple[Extra, ...]] = ()
    column_options: ClassVar[tuple[str, ...]] = ()
    columns_in_units_of_y: ClassVar[bool] = False
    linear_mean: ClassVar[bool] = False
    conjugate: ClassVar[bool] = False
    unimodal: ClassVar[bool] = False
    censorable: ClassVar[bool] = False
    bend: ClassVar[int | None] = None
    floor_of_rounding: ClassVar[Literal["floor", "relative_floor"] | None] = None
    floor_words: ClassVar[str] = "sigma"
    largest_predictor: ClassVar[float] = np.inf
    background: Any = None

    @property
    def without_censoring(self) -> Family:
        """The family as it was given."""
        return self

    @property
    def of_regressions(self) -> Family:
        """The family without a background."""
        return self

    @property
    def shared_extras(self) -> tuple[str, ...]:
        """Extra parameters of which one value serves all components; they come last."""
        return ()

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Names of the extra parameters."""
        return tuple(extra.name for extra in self.extras)

    @property
    def columns(self) -> dict[str, Any]:
        """Columns of X that the family needs, by the option that names them.

        Methods get their values after the extra parameters, or after y, in this order.
        """
        named = {option: getattr(self, option) for option in self.column_options}
        return {option: column for option, column in named.items() if column is not None}

    def label_of(self, option: str) -> str:
        """How a user gave the option, for messages."""
        return f"{type(self).__name__}({option}={getattr(self, option)!r})"

    def check_options(self) -> None:
        """Reject constructor parameters that make no sense; called before a fit."""

    def natural(self, coordinates: Array) -> list[Array]:
        """The extra parameters from their coordinates: (..., E) -> E arrays (...)."""
        return [extra.natural(coordinates[..., e]) for e, extra in enumerate(self.extras)]

    def location(self, mean: float, total: float, *columns: float) -> float:
        """Linear predictor of all rows together, from their mean response and total weight.

        ``columns`` are means of the family's columns.
        """
        return 0.0

    def floor_factor(self, location: float) -> float:
        """What the default floor of the scale is multiplied by where `location` is this."""
        return 1.0

    def measured(self, y: Array) -> Array:
        """What is standardised by its mean and standard deviation: y or, on a log scale, log y."""
        return np.log(y) if self.response_scale == "log" else y

    def latent_moments(
        self, measured: Array, weights: Array, centred: bool, *columns: Array
    ) -> tuple[float, float] | None:
        """Location and scale of `measured` that rows tell in part only; None if they tell all."""
        return None

    def standardised(self, location: float, scale: float) -> Family:
        """The family of a fit in which log y is standardised by these numbers.

        Its methods and kernels take standardised predictors and extras, and y as it is; densities
        are those of y.  `pymc_distribution` alone stays as it was.
        """
        if self.response_scale == "log":
            raise NotImplementedError(f"{type(self).__name__} has to say what it is standardised.")
        return self

    def auxiliary(self, y: Array, *columns: Array) -> Array | None:
        """What the kernels need of every response, computed once: (a, n)."""
        return None

    def of_rows(self, y: Array, columns: Array) -> Array | None:
        """What the kernels get of every row: its columns (c, n), and below them `auxiliary`."""
        constants = self.auxiliary(y, *columns)
        if not len(columns):
            return constants
        return columns if constants is None else np.concatenate([columns, constants])

    @property
    def symbols(self) -> tuple[str, ...]:
        """LaTeX of the extra parameters of component k."""
        named = ((extra.name, extra.symbol or upright(extra.name)) for extra in self.extras)
        shared = self.shared_extras
        return tuple(symbol if name in shared else f"{symbol}_k" for name, symbol in named)

    def notation(self, *extra: str) -> Notation:
        """How the distribution is written, from the symbols of the extras and names of columns."""
        name, arguments = upright(self.name), ", ".join((r"\eta_{ik}", *extra))
        return Notation(
            f"{self.name}, with a {self.link} link", rf"{name}(y_i \mid {arguments})", r"\eta_{ik}"
        )

    @property
    def some_response(self) -> float:
        """A response that the family can have."""
        if self.support.contains(np.asarray(1.0)):
            return 1.0
        return 0.5 * (self.support.low + self.support.high)

    @abstractmethod
    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        """Settings passed to the compiled kernels, which add ``location`` to linear predictors."""

    @abstractmethod
    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        """Log density, or log probability, of y, all constants included.

        Off `support` its exponential is zero.
        """

    @abstractmethod
    def mean(self, eta: Array, *extra: Array) -> Array:
        """Mean of y."""

    @abstractmethod
    def variance(self, eta: Array, *extra: Array) -> Array:
        """Variance of y."""

    def mean_and_variance(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        """Both, where one costs little beside the other; they may be the same array."""
        return self.mean(eta, *extra), self.variance(eta, *extra)

    def mean_and_bulk(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        """Mean, and the variance or, where that may be infinite, the square of another width.

        Quantiles and regions are looked for from there.
        """
        return self.mean_and_variance(eta, *extra)

    @abstractmethod
    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        """Distribution function of y: P(Y <= y)."""

    @abstractmethod
    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        """Quantile function: the smallest y with P(Y <= y) >= level."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        """One draw of y for every element."""

    @abstractmethod
    def extra_priors(self, priors: Any) -> Sequence[BlockPrior]:
        """Priors of the coordinates of the extra parameters, from `NumericPriors`."""

    @abstractmethod
    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        """The distribution of y as an unnamed PyMC one; broadcasts like `log_density`."""

    def pymc_log_tails(self, y: Any, eta: Any, *extra: Any) -> tuple[Any, Any]:
        """Logs of P(Y > y) and P(Y < y) in PyTensor, of families that are `censorable`."""
        raise NotImplementedError

    @abstractmethod
    def working_response(self, y: Array, *columns: Array) -> Array:
        """Responses on the scale of the linear predictor, for starts: the link, kept finite."""

    @abstractmethod
    def start_extras(self, spread: Array, priors: Any) -> Array:
        """Coordinates of the extras, for starts: (K,) -> (K, E).

        ``spread`` is the sd of working responses around each line.
        """

    def mixture_density(
        self, y: Array, row: NDArray[Any], eta: Array, extra: Sequence[Array], weights: Array
    ) -> Array | None:
        """Densities of many mixtures, in compiled code; None where there is none.

        Parameters
        ----------
        y, row : ndarray of shape (G,)
            Points, and the row of ``eta`` that the mixture of each is.
        eta : ndarray of shape (n, M)
        extra : sequence of ndarrays of shape (M,) or (n, M)
        weights : ndarray of shape (M,)
        """
        return None

    def outer(self, eta: Array, *extra: Array) -> tuple[Array, Array]:
        """Bounds between which all but 1e-12 of y lies."""
        tail = np.asarray(5e-13)
        return self.quantile(tail, eta, *extra), self.quantile(1.0 - tail, eta, *extra)

    def widened(
        self, eta: Array, width: Array, *extra: Array
    ) -> tuple[Family, list[Array], Array] | None:
        """Distributions whose spread, on the scale of the predictor, is at least ``width``.

        Narrower ones are convolved with an error of the predictor.  Predictive regions ask for
        it, so that few draws far from the data are not seen one by one.

        Returns
        -------
        family : Family
            What the distributions are, at the same ``eta``.
        extra : list of Array
            As many as elements of ``eta``.
        added : Array
            Variance of the error.  None in place of all: distributions stay as they are.
        """
        return None

    @property
    def closed_crps(self) -> bool:
        """Whether `mean_absolute_error` and `mean_absolute_difference` are closed forms."""
        return (
            type(self).mean_absolute_error is not Family.mean_absolute_error
            and type(self).mean_absolute_difference is not Family.mean_absolute_difference
        )

    def mean_absolute_error(self, y: Array, eta: Array, *extra: Array) -> Array | None:
        """E|Y - y| in closed form, or None where there is none."""
        return None

    def mean_absolute_difference(
        self, eta: Array, extra: Sequence[Array], other_eta: Array, other_extra: Sequence[Array]
    ) -> Array | None:
        """E|Y - Y'| of two independent responses in closed form, or None."""
        return None

    @property
    def has_reference(self) -> bool:
        """Whether `score` counts from `reference`, and not from what `generalised_r2` has."""
        return type(self).reference is not Family.reference

    def has_density(self, *columns: Array) -> Array | None:
        """Rows whose likelihood is a density and no probability, (n,); None where all are alike."""
        return None

    def reference_sums(self, y: Array, weights: Array, *columns: Array) -> Array:
        """Sums over rows that `reference` needs."""
        raise NotImplementedError

    def reference(self, y: Array, sums: Array, *columns: Array) -> Array:
        """Log density of every row under one distribution for all rows, without regressors."""
        raise NotImplementedError

    def check_columns(self, *columns: Array) -> None:
        """Reject values that the family's columns cannot have."""

    def check_response(self, y: Array, *columns: Array) -> None:
        """Reject responses that the family cannot have.

        Raises
        ------
        ValueError
            Which names the first such row, its value, and what is expected.
        """
        wrong = ~self.support.contains(y)
        if self.discrete:
            wrong |= y != np.rint(y)
        if not wrong.any():
            return
        row = int(np.argmax(wrong))
        raise ValueError(
            f"family={self.name!r} needs {self.response_words}, but y[{row}] is {y[row]:g} "
            f"(one of {int(wrong.sum())} such values in {len(y)}). {self.response_advice}".rstrip()
        )

    response_words: ClassVar[str] = "finite numbers"
    response_advice: ClassVar[str] = ""
