"""The predictive distributions of a mixture as a distribution of skpro."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from skpro.distributions.base import BaseDistribution

from .._estimators import validation
from .._posterior import prediction
from .._posterior.bands import distribution_function
from .._support.arrays import Array
from ..metrics import last_step

# Of the mean difference of two draws, which no score rests on.
LEVELS = (np.arange(400) + 0.5) / 400


class MixtureDistribution(BaseDistribution):
    """Posterior predictive distributions of rows, with all of their components and draws.

    Every entry is the mixture itself, averaged over the posterior, and not a normal distribution
    with its mean and variance.  Of counts there are probabilities, `pmf`, in the place of
    densities.

    Parameters
    ----------
    model : estimator
        A fitted mixture, or what ends in one, in scikit-learn's ``FrozenEstimator``.
    X : DataFrame of shape (n, p)
        As ``model`` takes it.
    random_state : int, RandomState, Generator or None, default=None
        Of `sample`; an int gives the same draws in every call.
    index : pandas.Index, default=None
        Of the n rows; None only for the distribution of a single number.
    columns : pandas.Index, default=None
        The name of the response.

    Notes
    -----
    ``mean``, ``var``, ``pdf``, ``pmf``, ``cdf`` and ``ppf`` are those of the model.  So is the
    CRPS, ``energy(y) - 0.5 * energy()``, by whose definition ``energy(y)`` is found; ``energy()``
    alone is an integral over 400 quantiles, low by a few thousandths where tails are normal.  In
    `sample` all rows of one draw share one draw of the parameters, and rows of a group their
    membership; densities and probabilities are those of each row by itself.
    """

    _tags = {
        "capabilities:approx": ["energy", "pdfnorm"],
        "capabilities:exact": ["mean", "var", "cdf", "ppf", "pdf", "log_pdf", "pmf", "log_pmf"],
        "distr:measuretype": "continuous",
        "distr:paramtype": "nonparametric",
    }

    def __init__(
        self,
        model: Any,
        X: pd.DataFrame,
        random_state: Any = None,
        index: pd.Index | None = None,
        columns: pd.Index | None = None,
    ):
        self.model = model
        self.X = X
        self.random_state = random_state
        super().__init__(index=index, columns=columns)
        regressor, _ = last_step(model, X)
        if regressor._predictive.discrete:
            self.set_tags(**{"distr:measuretype": "discrete"})

    def _iloc(self, rowidx: Any = None, colidx: Any = None) -> Self:
        if np.ndim(rowidx) == 0 and np.ndim(colidx) == 0 and None not in (rowidx, colidx):
            return self._iat(rowidx, colidx)
        index, columns = (
            names if chosen is None else names.take(np.atleast_1d(chosen))
            for names, chosen in ((self.index, rowidx), (self.columns, colidx))
        )
        X = self.X if rowidx is None else self.X.iloc[np.atleast_1d(rowidx)]
        return type(self)(self.model, X, self.random_state, index, columns)

    def _iat(self, rowidx: Any = None, colidx: Any = None) -> Self:
        return type(self)(self.model, self.X.iloc[[rowidx]], self.random_state)

    def _mean(self) -> Array:
        return self._shaped(self._asked("predict"))

    def _var(self) -> Array:
        return self._shaped(self._asked("predict", return_std=True)[1] ** 2)

    def _log_density(self, x: ArrayLike) -> Array:
        regressor, rows = last_step(self.model, self.X)
        rows, y = validation.validate_rows_and_target(regressor, rows, np.ravel(x), by_group=False)
        group = regressor.posterior_.design.roles.group
        if group is not None:
            rows = rows.copy()
            rows[:, group] = np.arange(len(rows))  # every row by itself
        return self._shaped(
            prediction.log_predictive_density(
                regressor._predictive, rows, y, n_threads=regressor._threads()
            )
        )

    def _log_pdf(self, x: ArrayLike) -> Array:
        return self._log_density(x)

    def _pdf(self, x: ArrayLike) -> Array:
        return np.exp(self._log_density(x))

    def _log_pmf(self, x: ArrayLike) -> Array:
        return self._log_density(x)

    def _pmf(self, x: ArrayLike) -> Array:
        return np.exp(self._log_density(x))

    def _cdf(self, x: ArrayLike) -> Array:
        regressor, rows = last_step(self.model, self.X)
        rows = validation.validate_rows(regressor, rows)
        points = np.reshape(np.asarray(x, dtype=np.float64), (len(rows), 1))
        return self._shaped(
            distribution_function(
                regressor._predictive, rows, points, n_threads=regressor._threads()
            )
        )

    def _ppf(self, p: ArrayLike) -> Array:
        levels, which = np.unique(np.ravel(p), return_inverse=True)
        out = np.full(len(which), np.nan)
        for number, level in enumerate(levels):
            mine = np.flatnonzero(which == number)
            if 0.0 < level < 1.0:
                regressor, rows = last_step(self.model, self.X.iloc[mine])
                out[mine] = regressor.predict_quantiles(rows, level)[:, 0]
        return self._shaped(out)

    @cached_property
    def _mean_difference(self) -> Array:
        # A CRPS asks for it twice.
        quantiles = self._asked("predict_quantiles", LEVELS)
        return self._shaped(2.0 * (quantiles @ (2.0 * LEVELS - 1.0)) / len(LEVELS))

    def _energy_self(self) -> Array:
        return self._mean_difference.copy()

    def _energy_x(self, x: ArrayLike) -> Array:
        return self._shaped(self._asked("crps", np.ravel(x))) + 0.5 * self._mean_difference

    def _sample(self, n_samples: int | None = None) -> Any:
        drawn = self._asked(
            "sample_y", 1 if n_samples is None else n_samples, random_state=self.random_state
        )
        if self.ndim == 0:
            return drawn[0, 0] if n_samples is None else pd.DataFrame(drawn[0])
        index = self.index
        if n_samples is not None:
            index = pd.concat([self.index.to_frame()] * n_samples, keys=range(n_samples)).index
        return pd.DataFrame(drawn.T.reshape(-1, 1), index=index, columns=self.columns)

    def _asked(self, method: str, *arguments: Any, **options: Any) -> Any:
        regressor, rows = last_step(self.model, self.X)
        return getattr(regressor, method)(rows, *arguments, **options)

    def _shaped(self, values: Array) -> Array:
        return np.reshape(values, self.shape)
