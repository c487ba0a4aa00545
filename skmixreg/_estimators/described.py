"""What a fit says of its components: tables, memberships, the draws as ArviZ has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._assessment import component_tables
from .._posterior import prediction
from .._posterior._rows.memberships import sample_memberships
from .._support.arrays import Array
from . import parameters, validation
from ._validation import arguments
from .assessed import AssessedMixture
from .labels import labels_at

if TYPE_CHECKING:
    import xarray


class DescribedMixture(AssessedMixture):
    """A fitted mixture that can be read: parameters, components, memberships."""

    def summary(self, by_mode: bool = False, probability: float = 0.9) -> pd.DataFrame:
        """Posterior mean, sd, interval and diagnostics of every parameter.

        A component that holds no rows in some draws has the prior there, and the others take its
        rows: a few such draws rule every sd, and hardly reach into an interval.  Means, sds and
        intervals are therefore of the draws in which the same components are empty, mostly none,
        as in at least four fifths of all; of all draws where there is no such majority.  The
        column ``empty`` has the share of all draws in which a component is empty; ``posterior_``
        has all draws, of which ``coef_`` and its like are the means.

        Parameters
        ----------
        by_mode : bool, default=False
            Whether to summarise the draws of every mode on their own; of the single draw of
            ``map``, the parameters at every mode, with nan for sd and interval.
        probability : float, default=0.9
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            One row per parameter, named by component and feature.
        """
        check_is_fitted(self)
        probability = arguments.check_coverage(probability, "probability")
        return self.posterior_.summary(
            self._feature_names(), by_mode=by_mode, probability=probability
        )

    def contrast(self, probability: float = 0.9) -> pd.DataFrame:
        """Differences between components, per coefficient.

        Parameters
        ----------
        probability : float, default=0.9
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            One row per pair of components and coefficient, with the mean of the difference, its
            sd and interval, and the posterior probability that it is positive.
        """
        check_is_fitted(self)
        probability = arguments.check_coverage(probability, "probability")
        return self.posterior_.contrast(self._feature_names(), probability=probability)

    def sample_memberships(
        self,
        X: ArrayLike,
        y: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> NDArray[np.intp]:
        """Draw the memberships of all rows together from their posterior.

        Given the parameters memberships are independent; a column has those at one posterior
        draw, so that columns show what is uncertain of all of them at once.  Rows of a group
        share theirs.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        n_samples : int, default=1
            Joint draws.
        random_state : int, RandomState, Generator or None, default=None
            Pass an int for the same draws in every call.

        Returns
        -------
        ndarray of shape (n, n_samples)
            Integers from 0 to K - 1; K is the background.
        """
        n_samples = arguments.check_count("n_samples", n_samples)
        X, y = validation.validate_rows_and_target(self, X, y)
        generator = parameters.resolve_generator(random_state)
        return sample_memberships(self.posterior_, X, y, n_samples, generator)

    def component_table(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        probability: float = 0.9,
    ) -> pd.DataFrame:
        """Each component's share, size, mean response and mean covariates, with intervals.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Rows to average over, mostly those of the fit.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies.
        probability : float, default=0.9
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            Index levels ``component`` and ``quantity``; columns ``mean``, ``sd``, ``lower``,
            ``upper``.  Quantities: ``share``, the mixing weight averaged over the rows, or
            groups; ``units``, the expected number of rows, or groups, that belong to it; ``mean
            response``, its mean averaged over the covariates of all rows (Stata's
            ``estat lcmean``); and for every column with a slope or a role in the gate the mean
            by responsibility.  All by evenly spaced draws of the posterior, so that a share may
            differ from ``weights_`` by their Monte Carlo error.
        """
        X, y, weights = validation.validate_weighted_rows(self, X, y, sample_weight)
        probability = arguments.check_coverage(probability, "probability")
        return component_tables.component_table(
            self.posterior_, X, y, weights, self._feature_names(), probability
        )

    def entropy(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        r"""How well components are told apart: 1 where memberships are certain, 0 where unknown.

        .. math::

            1 - \frac{-\sum_u v_u \sum_k r_{uk} \log r_{uk}}{\log K \sum_u v_u}

        with the responsibilities of units u (rows, or groups) averaged over the posterior and
        their weights v (Ramaswamy, Desarbo, Reibstein and Robinson 1993).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies.

        Returns
        -------
        float
            From 0 to 1; 1 for a single component.

        References
        ----------
        Ramaswamy, V., Desarbo, W. S., Reibstein, D. J. and Robinson, W. T. (1993). An empirical
        pooling approach for estimating marketing mix elasticities with PIMS data. Marketing
        Science 12, 103-124.
        """
        X, y, weights = validation.validate_weighted_rows(self, X, y, sample_weight)
        return component_tables.entropy(self.posterior_, X, y, weights, n_threads=self._threads())

    def to_datatree(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> xarray.DataTree:
        """The posterior as ArviZ has it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p), default=None
            Rows for a group ``posterior_predictive``.
        y : array-like of shape (n,), default=None
            Their responses, for ``log_likelihood`` and ``observed_data``.
        sample_weight : array-like of shape (n,), default=None
            By which ``log_likelihood`` is multiplied, as in `to_pymc`.
        labels : array-like of shape (n,) or (n, K), default=None
            As in `fit`, for ``log_likelihood``: of a row that has one, it is that of label and
            response.  Of a fit with labels they are needed where y is given, as they are not
            stored; -1 for every row is the likelihood without any.  Predictive draws know none.
        random_state : int, RandomState, Generator or None, default=None
            Source of the posterior predictive draws.

        Returns
        -------
        xarray.DataTree
            Group ``posterior`` with ``weights``, ``intercept``, ``coef`` and ``sigma`` over
            ``chain``, ``draw``, ``mixture_component`` and ``feature``, and the standardised
            variables of the model of `to_pymc`; their ``log_prior``; ``sample_stats``;
            ``constant_data``; and what the data allow, over ``observation``.

        Raises
        ------
        ValueError
            If y is given without X, weights or labels without y, or y without labels where the
            fit had some.
        """
        check_is_fitted(self)
        groups: dict[str, Array] = {}
        if y is not None:
            if X is None:
                raise ValueError("to_datatree got y without X; pass both, or X alone.")
            X, y, weights = validation.validate_weighted_rows(self, X, y, sample_weight)
            known = labels_at(self.posterior_, labels, X, "to_datatree")
            groups["observed"] = y
            densities = prediction.log_likelihood_draws(
                self.posterior_, X, y, known.log_odds, n_threads=self._threads()
            )
            if weights is not None:
                densities[..., weights == 0.0] = 0.0  # may be minus infinity
                densities *= weights
            groups["log_likelihood"] = densities
        elif sample_weight is not None or labels is not None:
            given = "labels" if sample_weight is None else "sample_weight"
            raise ValueError(
                f"to_datatree got {given} without y; they belong to log_likelihood, which needs "
                "X and y."
            )
        elif X is not None:
            X = validation.validate_rows(self, X, by_group=True)
        if X is not None:
            groups["X"] = X
            generator = parameters.resolve_generator(random_state)
            groups["posterior_predictive"] = prediction.sample_y_draws(
                self.posterior_, X, generator
            )
        return self.posterior_.to_datatree(self._feature_names(), **groups)
