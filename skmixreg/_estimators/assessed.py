"""What a fit found, how good it is, and how it compares with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._assessment import information, leave_one_out
from .._assessment.diagnostics import diagnostics_table
from .._dask import dask_input
from .._model.priors import Priors
from .._posterior import crps as _crps
from .._support.arrays import Array
from ..solvers import Solver
from . import lazy, parameters, validation
from ._validation import arguments
from .fitted import FittedMixture
from .labels import labels_at

if TYPE_CHECKING:
    from arviz import ELPDDataLOO


class AssessedMixture(FittedMixture):
    """A fitted mixture with tables, criteria for choosing among models, and diagnostics."""

    solver_: Solver
    priors: Priors | None

    def aic(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> float:
        r"""Akaike information criterion at the most probable mode; smaller is better.

        .. math::

            \mathrm{AIC} = 2 d - 2 \sum_i v_i \log p(y_i \mid x_i, \hat\theta)

        with weights v and :math:`d = K (p + 1) + K + K - 1` free parameters: p K slopes, K
        intercepts if there are any, K dispersions (one if it is shared) and K - 1 weights, as
        flexmix counts.  A shared slope or intercept is one, and q gating columns are
        :math:`q (K - 1)` more.  The sum over groups is one over their joint densities.

        :math:`\hat\theta` is the mode of the posterior that ``modes_`` gives the highest
        probability, not the maximum of the likelihood that flexmix and mixtools report.  Near the
        same solution the criteria agree: the prior costs some hundredths of a nat of likelihood.
        Where K is too large they need not be near: the highest maxima of the likelihood are then
        often components on few rows that hold little of the posterior, and the criterion is some
        points above theirs.  Of a fit to a stream, whose ``modes_`` are of its first chunk, it
        is the posterior mean of the unconstrained parameters.

        Of a fit with labels the densities of rows that have one are those of label and response,
        as in the ``log_likelihood`` of ``modes_``.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            The rows of the fit for choosing K; any others are allowed.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in `fit`.
        labels : array-like of shape (n,) or (n, K), default=None
            As in `fit`; needed where the fit had some.

        Returns
        -------
        float
            In nats times two, of a density per unit of y: compare only fits to the same y.

        References
        ----------
        Akaike, H. (1974). A new look at the statistical model identification. IEEE Transactions on
        Automatic Control 19, 716-723.

        Gruen, B. and Leisch, F. (2008). FlexMix version 2. Journal of Statistical Software 28(4).
        """
        return self._information_criteria(X, y, sample_weight, labels).aic

    def bic(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> float:
        r"""Bayesian information criterion at the most probable mode; smaller is better.

        .. math::

            \mathrm{BIC} = d \log \Bigl(\sum_i v_i\Bigr)
            - 2 \sum_i v_i \log p(y_i \mid x_i, \hat\theta)

        with d and the mode as in `aic`.  Minus half of it approximates ``log_evidence_`` to a
        constant of order one; where ``log_evidence_`` is there, it is the better one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in `fit`; their sum is the number of observations.
        labels : array-like of shape (n,) or (n, K), default=None
            As in `fit`; needed where the fit had some.

        Returns
        -------
        float

        References
        ----------
        Schwarz, G. (1978). Estimating the dimension of a model. The Annals of Statistics 6,
        461-464.
        """
        return self._information_criteria(X, y, sample_weight, labels).bic

    def icl(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> float:
        r"""Integrated completed likelihood, as a criterion; smaller is better.

        .. math::

            \mathrm{ICL} = \mathrm{BIC} - 2 \sum_i v_i \log \max_k r_{ik}

        with the responsibilities r at the mode of `aic`: every row is assigned to its most
        probable component, as in flexmix.  It asks for components that are apart, `bic` only for a
        density that fits.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in `fit`.
        labels : array-like of shape (n,) or (n, K), default=None
            As in `fit`; needed where the fit had some.

        Returns
        -------
        float

        References
        ----------
        Biernacki, C., Celeux, G. and Govaert, G. (2000). Assessing a mixture model for clustering
        with the integrated completed likelihood. IEEE Transactions on Pattern Analysis and Machine
        Intelligence 22, 719-725.
        """
        return self._information_criteria(X, y, sample_weight, labels).icl

    def _information_criteria(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        labels: ArrayLike | None = None,
    ) -> information.InformationCriteria:
        if dask_input.is_dask(X, y, sample_weight):
            if labels is not None:
                raise ValueError("labels need rows in memory, and these are in chunks.")
            check_is_fitted(self)
            labels_at(self.posterior_, None, np.empty((0, 0)), "this criterion")
            return lazy.information_criteria(self, X, y, sample_weight)
        X, y, weights = validation.validate_weighted_rows(self, X, y, sample_weight)
        known = labels_at(self.posterior_, labels, X, "this criterion")
        return information.information_criteria(
            self.posterior_, X, y, weights, known.log_odds, n_threads=self._threads()
        )

    def loo(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        exact: bool = False,
        subsample_size: int = 1000,
        random_state: int | np.random.RandomState | np.random.Generator | None = 0,
    ) -> ELPDDataLOO:
        """Leave-one-out cross-validation by Pareto-smoothed importance sampling.

        The log predictive density of every row under the posterior of the other rows, memberships
        summed out, without a refit.  ``arviz.compare({"2": loo_2, "3": loo_3})`` compares fits.

        Over 20,000 rows the default computes a simple random sample of them and corrects an
        approximation of all others by it (WAIC's; the difference estimator of Magnusson et al.
        2019).  The 200 rows that move the posterior most are always computed.

        A row of weight w stands for w rows, of which one is left out; results, their errors and
        ``elpd_i`` are those of the repeated rows.  With fractional weights, ``elpd_i`` holds each
        row's elpd times its weight, rows are the units of the standard errors, and of a row of
        weight below 1 all of it is left out.

        With ``group_feature`` whole groups are left out in the place of rows, and ``elpd_i`` has
        one value per group, whose ``row`` is its first: the same as cross-validation over groups.

        Draws of an approximation (``cavi``, ``advi``, ``fullrank_advi``) are weighed by the ratio
        of posterior and approximation as well; where that is too uneven, k-hat is high everywhere.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            The rows of the fit, in any order.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            The weights of the fit.
        exact : bool, default=False
            Whether to compute all rows, however many; half a second per 1000 rows with 4000
            draws, in memory that does not grow with them.
        subsample_size : int, default=1000
            Rows of the sample, where there is one; its error is ``subsampling_se``, under 1 for
            concentrated posteriors.
        random_state : int, RandomState, Generator or None, default=0
            Which rows are sampled.  It is fixed by default, since fits must share the sample for
            ``arviz.compare`` to compare them row by row.

        Returns
        -------
        ELPDDataLOO or ELPDDataLOOSubsample
            ArviZ's: ``elpd`` and ``se`` in nats; ``p``, the effective number of parameters;
            ``elpd_i`` and ``pareto_k`` with the coordinate ``row``, which counts from 0.  Of a
            subsample, ``elpd_i`` of the other rows is the approximation and ``pareto_k`` is nan.

        Raises
        ------
        ValueError
            If these are not the rows of the fit, if there is only one draw (``map``), or if the
            rows came in a stream.

        Warns
        -----
        UserWarning
            Where k-hat says that importance sampling is not reliable for some rows.

        References
        ----------
        Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using
        leave-one-out cross-validation and WAIC. Statistics and Computing 27, 1413-1432.

        Magnusson, M., Andersen, M. R., Jonasson, J. and Vehtari, A. (2019). Bayesian leave-one-out
        cross-validation for large data. Proceedings of Machine Learning Research 97, 4244-4253.

        Examples
        --------
        >>> arviz.compare({"2": two.loo(X, y), "3": three.loo(X, y)})  # doctest: +SKIP
        """
        X, y, weights = validation.validate_weighted_rows(self, X, y, sample_weight)
        return leave_one_out.loo(
            self.posterior_,
            X,
            y,
            weights,
            parameters.resolve_generator(random_state),
            exact=bool(exact),
            subsample_size=arguments.check_count("subsample_size", subsample_size),
            from_posterior=self.solver_.exact,
            n_threads=self._threads(),
        )

    def crps(self, X: ArrayLike, y: ArrayLike) -> Array:
        r"""Continuous ranked probability score of the predictive distribution; smaller is better.

        .. math::

            \int \bigl(F_i(z) - 1\{z \ge y_i\}\bigr)^2 \, dz

        with the posterior predictive distribution function of row i: the absolute error of a
        forecast that is a distribution.  Unlike the log density, it is not ruled by the tails.  For
        mixtures it is closed but for a mean over pairs of draws: over all pairs where these are
        few, else over 10,000 / K^2 pairs of evenly spaced draws.  That moves single scores by about
        half a percent for K up to 4 and one for K = 10; in means over rows it cancels.  For counts
        the integral is a sum over all counts, to a relative 1e-8, with the distribution function
        that `predict_quantiles` has.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)

        Returns
        -------
        ndarray of shape (n,)
            In units of y.

        References
        ----------
        Gneiting, T. and Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
        estimation. Journal of the American Statistical Association 102, 359-378, eq. 21.

        Grimit, E. P., Gneiting, T., Berrocal, V. J. and Johnson, N. A. (2006). The continuous
        ranked probability score for circular variables and its application to mesoscale forecast
        ensemble verification. Quarterly Journal of the Royal Meteorological Society 132, 2925-2942.
        """
        X, y = validation.validate_rows_and_target(self, X, y, by_group=False)
        return _crps.crps(self.posterior_, X, y, n_threads=self._threads())

    def diagnostics(self) -> pd.DataFrame:
        """Every check on this fit: what it found, what that means, and what to do.

        Checks that mean nothing for the solver are absent.

        Returns
        -------
        DataFrame
            One row per check, index ``check``, columns

            - ``value``: what was found.
            - ``threshold``: what it is held against; nan where there is nothing to pass.
            - ``passed``: True; False if the fit did not converge for this; NA for a note, a bad
              value with which the draws are still those of the posterior, and for what is only
              told.
            - ``verdict``: what it means and, if bad, what to do.  Notes begin with ``note:``.

            Rows, where they apply:

            - ``converged``: number of failures; the verdict lists them.
            - ``starts_at_best_mode``, ``modes``, ``second_mode_gap`` (nats of evidence, by
              Laplace's approximation), ``second_mode_probability``: of the search for modes.
            - ``rhat``, ``ess_bulk``, ``ess_tail``: the worst over parameters (Vehtari et al. 2021);
              ``divergences``; ``mode_shares_settled``, 1 or 0: of Markov chains.
            - ``khat``, ``importance_ess`` (Vehtari et al. 2024), ``sd_ratio``, ``change_of_means``:
              of importance sampling and approximations.  ``particle_correlation``: of particles.
            - ``log_evidence``, and ``log_evidence_error``, its Monte Carlo standard error.
            - ``smallest_component``: the number of rows, of total weight, that the smallest
              component is expected to hold with posterior probability 0.9 at least (its groups
              times their mean size), against the number of its parameters;
              ``ambiguous_share``: the share of draws that other labels would fit nearly as well.
              ``empty_component``, if there are any: the share of draws in which a component
              holds no rows.
            - ``resolution_of_y``: the step that y looks rounded to, if it raised the floor of
              sigma: see ``sigma_floor`` of `Priors`.
            - ``prior_sensitivity``, ``likelihood_sensitivity``: by power-scaling (Kallioinen et al.
              2024), the worst over parameters; with 1000 draws or more.

        References
        ----------
        Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Buerkner, P.-C. (2021).
        Rank-normalization, folding, and localization: an improved R-hat. Bayesian Analysis 16.

        Vehtari, A., Simpson, D., Gelman, A., Yao, Y. and Gabry, J. (2024). Pareto smoothed
        importance sampling. JMLR 25(72).

        Kallioinen, N., Paananen, T., Buerkner, P.-C. and Vehtari, A. (2024). Detecting and
        diagnosing prior and likelihood sensitivity with power-scaling. Statistics and Computing 34.

        Examples
        --------
        >>> table = model.diagnostics()  # doctest: +SKIP
        >>> table[table["threshold"].notna() & ~table["passed"].fillna(False)]  # doctest: +SKIP
        """
        check_is_fitted(self)
        return diagnostics_table(
            self.posterior_,
            self.posterior_.priors,
            self._feature_names(),
            self.solver_.get_params(deep=False),
        )
