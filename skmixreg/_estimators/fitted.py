"""What a fitted mixture can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from .._assessment.generalised_r2 import score_of_family
from .._dask import dask_input
from .._posterior import prediction
from .._posterior.family_average import Predictive
from .._posterior.posterior import Posterior
from .._support.arrays import Array
from . import lazy, parameters, validation
from ._validation import arguments
from .lazy import per_row
from .validation import Given

if TYPE_CHECKING:
    from ..solvers import Solver


class FittedMixture(RegressorMixin, BaseEstimator):
    """Questions to the posterior of a fit: predictions, memberships, tables.

    Every answer but those of `sample_y` and the predictive draws of `to_datatree` is a closed
    formula over the stored draws.
    """

    posterior_: Posterior
    n_features_in_: int
    n_jobs: int | None

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also of objects among them, as ``solver__draws=2000``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is unknown, or an option is set on something given by its name only.
        """
        parameters.check_nested_parameters(self, params, parameters.TABLES)
        return super().set_params(**params)

    def refit_as(
        self,
        solver: str | Solver,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> Self:
        """Fit the same rows with another solver, starting from the modes found here.

        Nothing is searched again, and components keep their order, so that the two fits can be
        laid side by side: an approximation against an exact solver, say.

        Parameters
        ----------
        solver : str or Solver
            By name, or as an object such as ``NUTS(draws=2000)``.
        X : array-like or DataFrame of shape (n, p)
            The rows of this fit, which are not stored.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
        labels : array-like, default=None
            Those of the fit.

        Returns
        -------
        BayesianMixtureRegressor
            A new estimator with the same parameters but for ``solver``, fitted.

        Raises
        ------
        ValueError
            If these are not the rows of this fit: there the posterior at its modes is another.

        Examples
        --------
        >>> quick = BayesianMixtureRegressor(solver="cavi").fit(X, y)  # doctest: +SKIP
        >>> exact = quick.refit_as("nuts", X, y)  # doctest: +SKIP
        """
        check_is_fitted(self)
        model = clone(self).set_params(solver=solver)
        return model._fit(X, y, sample_weight, self.posterior_, labels)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, known: Posterior | None, labels: Any = None
    ) -> Self:
        raise NotImplementedError

    @per_row
    def predict(
        self, X: ArrayLike, return_std: bool = False, given: Given = None
    ) -> Array | tuple[Array, Array]:
        """Posterior predictive mean, over components and draws.

        Where components part, few rows lie near their mean: see `predict_hdr`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        return_std : bool, default=False
            Whether to return the standard deviation as well.
        given : tuple of (X, y), default=None
            Rows, with their responses, of the groups of which others are predicted, as the visits
            of a patient before the next: components weigh as their responsibilities given these.
            Of a group of which none was seen they have the mixing weights.  With
            ``group_feature``; a group has the same values of gating columns here and in X.

        Returns
        -------
        mean : ndarray of shape (n,)
            In units of y.
        std : ndarray of shape (n,)
            Posterior predictive standard deviation, by the law of total variance over components
            and draws; inf where errors of a draw have no variance.  Only if ``return_std``.
        """
        predictive, X = self._at_rows(X, given)
        if return_std:
            return prediction.mean_and_std(predictive, X, n_threads=self._threads())
        return prediction.mean(predictive, X, n_threads=self._threads())

    @per_row
    def predict_components(self, X: ArrayLike) -> Array:
        """Posterior mean of every component's mean.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)

        Returns
        -------
        ndarray of shape (n, K)
            In units of y.
        """
        X = validation.validate_rows(self, X)
        return prediction.component_means(self.posterior_, X, n_threads=self._threads())

    @per_row
    def predict_proba(self, X: ArrayLike, y: ArrayLike | None = None, given: Given = None) -> Array:
        """Probability of every component, averaged over the posterior.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,), default=None
            Responses.  Without them these are the mixing weights, which are those of a row where
            they depend on gating columns.  Rows of a group have the probabilities of the group.
        given : tuple of (X, y), default=None
            In the place of y, rows of groups that were seen before: `predict`.

        Returns
        -------
        ndarray of shape (n, K), or (n, K + 1) with a background
            Rows sum to 1.
        """
        if y is None:
            check_is_fitted(self)
            posterior, X = validation.validate_rows_given(self, X, given, self.posterior_)
            return prediction.mixing_weights(posterior, X)
        if given is not None:
            raise ValueError("predict_proba takes y or given: add the rows with y to given.")
        X, y = validation.validate_rows_and_target(self, X, y)
        return prediction.responsibilities(self.posterior_, X, y, n_threads=self._threads())

    @per_row
    def assign(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.intp]:
        """Most probable component of every row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)

        Returns
        -------
        ndarray of shape (n,)
            Integers from 0 to K - 1; K is the background.
        """
        X, y = validation.validate_rows_and_target(self, X, y)
        probability = prediction.responsibilities(self.posterior_, X, y, n_threads=self._threads())
        return probability.argmax(axis=1)

    @per_row
    def predict_quantiles(
        self, X: ArrayLike, quantiles: ArrayLike = (0.05, 0.5, 0.95), given: Given = None
    ) -> Array:
        """Quantiles of the posterior predictive distribution.

        Like `predict_interval` and `predict_hdr` they use an evenly thinned set of the draws.  Of
        counts they are counts: the smallest y at which the distribution function reaches the
        level.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        quantiles : float or array-like of shape (q,), default=(0.05, 0.5, 0.95)
            Levels, strictly between 0 and 1.
        given : tuple of (X, y), default=None
            Rows of groups that were seen before: `predict`.

        Returns
        -------
        ndarray of shape (n, q)
            In units of y.
        """
        levels = arguments.check_quantiles(quantiles)
        predictive, X = self._at_rows(X, given)
        return prediction.quantiles(predictive, X, levels, n_threads=self._threads())

    @per_row
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9, given: Given = None) -> Array:
        """Equal-tailed interval of the posterior predictive distribution.

        Where components part, it spans the gap between them, which holds no data: `predict_hdr`
        is the honest answer there.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        coverage : float, default=0.9
            Probability of the interval, strictly between 0 and 1.
        given : tuple of (X, y), default=None
            Rows of groups that were seen before: `predict`.

        Returns
        -------
        ndarray of shape (n, 2)
            Lower and upper end, in units of y.
        """
        coverage = arguments.check_coverage(coverage)
        predictive, X = self._at_rows(X, given)
        return prediction.interval(predictive, X, coverage, n_threads=self._threads())

    def predict_hdr(self, X: ArrayLike, coverage: float = 0.9, given: Given = None) -> list[Array]:
        """Highest-density region of the posterior predictive distribution.

        The smallest set that holds a new y with the given probability: for two lines that are
        apart, two intervals.  Of counts the fewest counts that hold at least this probability (to
        1e-7), as intervals of counts with both ends inside: a single count is [a, a].

        Far outside the data, where the draws of a line no longer overlap, they stand for the
        normal distribution that they are nearly a sample of: each is widened by a kernel, for
        which Silverman's bandwidth is taken, and draws of one mode together keep their mean and
        variance.  Near the data nothing is widened.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        coverage : float, default=0.9
            Probability of the region, strictly between 0 and 1.
        given : tuple of (X, y), default=None
            Rows of groups that were seen before: `predict`.

        Returns
        -------
        list of n ndarrays of shape (m, 2)
            Disjoint intervals in ascending order, in units of y; m differs between rows.  Of
            counts these are whole numbers.
        """
        coverage = arguments.check_coverage(coverage)
        predictive, X = self._at_rows(X, given)
        return prediction.highest_density_regions(
            predictive, X, coverage, n_threads=self._threads()
        )

    def sample_y(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        given: Given = None,
    ) -> Array:
        """Draw responses from the posterior predictive distribution.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        n_samples : int, default=1
            Draws per row.  All rows of one column share one posterior draw.
        random_state : int, RandomState, Generator or None, default=None
            Pass an int for the same draws in every call.
        given : tuple of (X, y), default=None
            Rows of groups that were seen before: `predict`.

        Returns
        -------
        ndarray of shape (n, n_samples)
            In units of y.
        """
        n_samples = arguments.check_count("n_samples", n_samples)
        predictive, X = self._at_rows(X, given, by_group=True)
        generator = parameters.resolve_generator(random_state)
        return prediction.sample_y(predictive, X, n_samples, generator)

    @per_row
    def log_predictive_density(self, X: ArrayLike, y: ArrayLike) -> Array:
        """Log of the posterior predictive density, averaged over draws, at given responses.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)

        Returns
        -------
        ndarray of shape (n,)
            In nats; of a density per unit of y.  That of a group, whose rows are one draw of the
            membership, is shared out in equal parts to its rows in X, so that sums are right.
        """
        X, y = validation.validate_rows_and_target(self, X, y)
        return prediction.log_predictive_density(self._predictive, X, y, n_threads=self._threads())

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        r"""Generalised R^2, from the predictive density.

        .. math::

            1 - \exp(-2 g) \text{ for } g \ge 0, \quad
            \exp(2 g) - 1 \text{ for } g < 0, \quad g = \bar\ell - \bar\ell_0

        with the mean log predictive density of the rows and that of a single normal distribution
        with the mean and variance of ``y``.  Where positive, it is nearly R^2 for one component.
        It sees what R^2 of the mean cannot: on two crossing lines R^2 is about 0 for every K.

        For counts it is that of a single negative binomial distribution with the mean and
        variance of ``y``, or a Poisson distribution where the variance is not larger than the
        mean: probabilities are held against probabilities, and those of a Poisson distribution
        would be hopeless for counts that spread more, so that every score were 1.  It is the same
        for all families of counts, so that their scores can be compared; not with those of a
        density of measurements.  For successes among trials it is that of a beta-binomial
        distribution of one probability for all rows, or a binomial one.

        It is not ``r2_score(y, predict(X))``, and reaches 1 and -1 within rounding about 18 nats
        above and below the normal.  Averages over folds need not order models as the mean log
        density does: `skmixreg.metrics.mean_log_predictive_density_scorer` is that.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, in both terms.

        Returns
        -------
        float
            From -1 to 1; 0.0 for a constant y; nan, with an UndefinedMetricWarning, for fewer than
            two rows.
        """
        if dask_input.is_dask(X, y, sample_weight):
            return lazy.score(self, X, y, sample_weight)
        X, y, sample_weight = validation.validate_weighted_rows(self, X, y, sample_weight)
        density = prediction.log_predictive_density(
            self._predictive, X, y, n_threads=self._threads()
        )
        columns = self._predictive.design.of_family(X)
        return score_of_family(self._predictive.family, density, y, sample_weight, columns)

    @property
    def modes_(self) -> pd.DataFrame:
        """Every distinct mode found, most massive first, as a new frame."""
        return self.posterior_.modes.copy()

    @property
    def _predictive(self) -> Predictive:
        """The draws that predictions of y are averaged over."""
        return self.posterior_

    def _at_rows(self, X: Any, given: Given, by_group: bool = False) -> tuple[Predictive, Array]:
        """What predictions at validated rows are averaged over, and these rows."""
        check_is_fitted(self)
        return validation.validate_rows_given(self, X, given, self._predictive, by_group=by_group)

    def _threads(self) -> int:
        return parameters.resolve_threads(self.n_jobs)

    def _feature_names(self) -> list[str]:
        """Of the columns with slopes."""
        names = getattr(self, "feature_names_in_", None)
        slopes = self.posterior_.design.roles.slopes
        return [f"x{j}" if names is None else str(names[j]) for j in slopes]
