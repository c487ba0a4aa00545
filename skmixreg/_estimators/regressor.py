"""The estimator: parameters, validation, delegation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

from .._model.priors import Priors
from .._pymc.model import build_model
from ..backgrounds import Background
from ..families import Family
from ..solvers import SOLVERS, Solver
from . import parameters, validation, weights
from .labels import labels_at
from .learned import LearnedMixture
from .parameters import Features

if TYPE_CHECKING:
    import pymc

# Warnings point at the caller's line.


def _streams(model: BayesianMixtureRegressor) -> bool:
    return parameters.check_streams(model.solver, SOLVERS)


class BayesianMixtureRegressor(LearnedMixture):
    r"""Bayesian mixture of K linear regressions.

    Every row belongs to one of K components, each with its own line and its own noise, and nobody
    says to which:

    .. math::

        z_i &\sim \mathrm{Categorical}(w_1, \dots, w_K) \\
        y_i \mid z_i = k &\sim f(b_{0k} + x_i^\top b_k, \; \phi_k) \\
        w &\sim \mathrm{Dirichlet}(c, \dots, c), \quad
        b_{0k} \sim N(0, s_0^2), \quad b_k \sim N(0, s_b^2 I)

    with f normal for ``family="gaussian"``, :math:`\phi_k` its sd :math:`\sigma_k`; other families
    have other f, and what else these need for :math:`\phi_k`.  Priors (`Priors`) are stated on the
    standardised scale, so that neither the units nor the location of the data matter.  The
    memberships :math:`z_i` are summed out exactly,

    .. math::

        p(y \mid \theta) = \prod_i \sum_k w_k \, f(y_i \mid b_{0k} + x_i^\top b_k, \phi_k),

    one sum per row.  A fit finds the modes of the posterior, draws from it, and gives every draw
    the same labels.  The model in PyMC is `to_pymc`; every solver targets exactly this posterior.

    Columns of X may have other roles (:doc:`/roles`): gating columns g, on which the weights
    depend; shared columns v, with one slope for all components; a known offset t; and groups j of
    rows, such as the visits of a patient, which share one membership:

    .. math::

        p(y \mid \theta) = \prod_j \sum_k w_k(g_j)
            \prod_{i \in j} f(y_i \mid b_{0k} + x_i^\top b_k + v_i^\top d + t_i, \; \phi_k),
        \quad w_k(g) = \frac{\exp(a_{0k} + g^\top a_k)}{\sum_l \exp(a_{0l} + g^\top a_l)} .

    The weights at the mean of the gating columns have Dirichlet's prior; slopes d, and of the
    gate orthonormal contrasts of :math:`a_k`, have that of the slopes :math:`b_k`.

    Parameters
    ----------
    n_components : int, default=2
        K >= 1.
    family : str or Family, default="gaussian"
        Distribution of y around each line: a name in `skmixreg.families.FAMILIES`, or an object
        such as ``Gaussian(shared_sigma=True)`` or a `Family` of one's own.
    background : None, str or Background, default=None
        One component more, without a line: ``"zero"``, all mass at 0, for zero-inflated counts;
        ``"uniform"``, a density over the range of y, or ``"normal"``, a wide bump, for outliers; or
        an object such as ``Uniform(low, high)`` of `skmixreg.backgrounds`.  ``n_components`` does
        not count it.  It is last in ``weights_`` and `predict_proba`.
    censoring_feature : None, str or int, default=None
        The column of X, by name or position, that says of which rows only a bound is known: 1
        where the response is more than y (right-censored), -1 where it is less (left-censored), 0
        where it is y.  It is no regressor.  For normal, lognormal, Weibull, exponential and Gamma
        responses, and t ones of given degrees of freedom.  Predictions are of the response;
        `score` and densities of censored rows are those of what is known of them.
    component_features, shared_features, gating_features : default=None
        The columns of X with a slope per component, those with one slope for all, and those that
        the mixing weights depend on.  Each is a name or position, a list of these, a mask of truth
        values, ``"all"`` (that have no single role), or a callable that is given X, such as
        ``make_column_selector(pattern="^z_")``.  A column without any role has a slope per
        component: None is therefore all of them, and ``component_features`` is needed only for
        columns of the gate that are to have slopes, too.  A column with one slope for all cannot
        have one per component.
    offset_feature : None, str or int, default=None
        The column that is added to the linear predictor as it is: a part that is known, in units
        of y (of the family's link).
    exposure_feature : None, str or int, default=None
        The column whose logarithm is added: time at risk, area, people.  Of families with a log
        link; counts are then rates per unit of it.  As a column, it is there at `predict`.
    group_feature : None, str or int, default=None
        Rows with equal values in this column share one membership.  In a frame it may hold text,
        categories or dates.  Gating columns and ``sample_weight`` must not vary within a group.
    shared_intercept : bool, default=False
        Whether all components have the same intercept.
    solver : str or Solver, default="auto"
        How to draw from the posterior, by name or as an object such as
        ``NUTS(draws=2000)``.  ``"auto"`` takes the cheapest exact solver whose own diagnostics
        pass: ``"laplace"``, ``"gibbs"``, ``"nuts"``.
    priors : Priors or None, default=None
        Hyperparameters; None means ``Priors()``.
    fit_intercept : bool, default=True
        Whether every component has an intercept.
    n_init : int, default=20
        Independent starts of the search for modes.  More are added, up to a cap, until the best
        mode was reached at least twice.
    n_jobs : int or None, default=None
        Threads over rows, and chains run side by side.  None means every core this process may
        use, unlike elsewhere in scikit-learn; -1 the same, -2 all but one.  Within a worker of
        joblib (cross-validation with ``n_jobs``) it is always 1.  Results do not depend on it.
    random_state : int, RandomState, Generator or None, default=None
        Source of the starts of the search and of the draws.  Pass an int for the same result in
        every call.  Prediction draws nothing, except in `sample_y`.
    verbose : bool or int, default=False
        Whether the fit reports its progress: bars on a terminal or in a notebook, else lines; and
        kernels that are compiled, for which a first fit waits some twenty seconds.
        ``set_callbacks(sklearn.callback.ProgressBar())`` shows bars too, also of fits in
        parallel.  Neither changes the result; a callback cannot stop a fit early.

    Attributes
    ----------
    weights_ : ndarray of shape (K,), or (K + 1,) with a background
        Posterior mean of the mixing weights; they sum to 1.  Where they depend on columns, it is
        their average over the rows (or groups) of the fit, each as often as its weight says.
    coef_ : ndarray of shape (K, p)
        Posterior mean of the slopes, in units of y (of the family's link) per unit of each column;
        p counts columns with slopes, in the order of X, shared ones among them.
    intercept_ : ndarray of shape (K,)
        Posterior mean of the intercepts, in units of y; zeros without an intercept.
    sigma_ : ndarray of shape (K,)
        Posterior mean of the residual standard deviations, in units of y.  The name is the
        family's extra parameters.
    gating_coef_ : ndarray of shape (K, q)
        Posterior mean of the slopes of the log odds of the weights, per unit of each gating
        column; they sum to zero over components.  With ``gating_features``, as the next.
    gating_intercept_ : ndarray of shape (K,)
        Posterior mean of their intercepts, which sum to zero.
    posterior_ : Posterior
        The draws, labels aligned, in units of the data.
    modes_ : DataFrame of shape (n_modes, ...)
        Every distinct mode found: ``log_posterior``, ``log_likelihood``, ``log_evidence``
        (Laplace's, of the mode alone) and ``probability``, the share of the draws near it;
        labellings of the same solution count as one.  Probabilities add up to less than 1 where
        draws are near no mode, as with an empty component that wanders over its prior.
    solver_ : Solver
        The solver that was used, a clone of ``solver``; of ``"auto"``, ``solver_.chosen_`` and
        ``solver_.why_`` say which one was taken and why.
    family_ : Family
        The family that was used, a clone of ``family``.
    converged_ : bool
        Whether every check passed: the mode is a mode, it was found more than once, the solver's
        diagnostics are good and the masses of the modes are settled.
    solver_report_ : dict
        What the solver reports of itself, by name.
    log_evidence_ : float
        Log marginal likelihood of the data, in their units: of ``laplace`` by importance sampling,
        of ``gibbs``, ``nuts`` and ``smc`` by bridge sampling.  nan where no estimate is to be
        trusted: where the draws failed a check, and for ``map``, ``cavi``, ``advi`` and
        ``fullrank_advi``, which look around one mode only.
    log_evidence_error_ : float
        Monte Carlo standard error of ``log_evidence_``, in nats; nan where that is nan.
    n_features_in_ : int
        Number p of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (p,)
        Names of the columns, where X had string names.

    Warns
    -----
    ConvergenceWarning
        In `fit`, when ``converged_`` is False: it names each check that failed.
    UserWarning
        In `fit`, when the draws are good and ``log_evidence_`` is nan all the same; when weights
        are fractions far from 1, as of a population, since they count as frequencies.
    MultimodalPosteriorWarning
        In `fit`, when a second distinct solution holds more than 5% of the posterior: then
        averages over both mean little; look at ``summary(by_mode=True)``.
    WeaklyIdentifiedWarning
        In `fit`, when components are more than the data fill or tell apart: one holds fewer rows
        than it has parameters with probability over 0.1, or other labels would fit over a tenth
        of the draws nearly as well.

    Notes
    -----
    Components come in the order of the first of coefficients (in the order of columns),
    intercept, dispersion and weight that separates them clearly; without any, of the first
    coefficient.

    ``cross_val_predict(est, X, y, method="predict_proba")`` does not work for any regressor, since
    scikit-learn encodes y as class labels there; use
    `skmixreg.model_selection.cross_val_responsibilities`.

    A pipeline forwards only `predict` and `score`, and with metadata routing enabled
    ``pipe.predict_proba(X, y=y)`` raises.  Use the last step on the transformed rows:
    ``pipe[-1].predict_proba(pipe[:-1].transform(X), y)``; likewise for ``predict_quantiles`` and
    the other methods that a pipeline does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from skmixreg import BayesianMixtureRegressor
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, 1000)
    >>> y = np.where(rng.random(1000) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, 1000)
    >>> model = BayesianMixtureRegressor(n_components=2, random_state=0).fit(x[:, None], y)
    >>> model.coef_.round(1)
    array([[-1.],
           [ 3.]])
    >>> model.sigma_.round(1)
    array([0.1, 0.1])
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        family: str | Family = "gaussian",
        background: str | Background | None = None,
        censoring_feature: str | int | None = None,
        component_features: Features = None,
        shared_features: Features = None,
        gating_features: Features = None,
        offset_feature: str | int | None = None,
        exposure_feature: str | int | None = None,
        group_feature: str | int | None = None,
        shared_intercept: bool = False,
        solver: str | Solver = "auto",
        priors: Priors | None = None,
        fit_intercept: bool = True,
        n_init: int = 20,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: bool | int = False,
    ):
        self.n_components = n_components
        self.family = family
        self.background = background
        self.censoring_feature = censoring_feature
        self.component_features = component_features
        self.shared_features = shared_features
        self.gating_features = gating_features
        self.offset_feature = offset_feature
        self.exposure_feature = exposure_feature
        self.group_feature = group_feature
        self.shared_intercept = shared_intercept
        self.solver = solver
        self.priors = priors
        self.fit_intercept = fit_intercept
        self.n_init = n_init
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> Self:
        """Find the modes of the posterior and draw from it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Rows; finite numbers.
        y : array-like of shape (n,)
            Response; finite numbers.
        sample_weight : array-like of shape (n,), default=None
            Frequencies: a row of weight 3 counts as three rows, one of weight 0 is left out.
            Fractional weights are powers of the row's likelihood.  They are not survey or
            precision weights: the total of the weights is the number of observations; divide such
            weights by their mean.  Of groups they count groups.
        labels : array-like of shape (n,) or (n, K), default=None
            Memberships that are known: integers from 0 to K - 1, or -1 where unknown; component k
            is then the one with label k.  Or a probability of each component, before y is seen,
            which multiplies the mixing weights, divided by the largest of its row: rows need not
            sum to one.  A label of one row is one of its whole group.

        Returns
        -------
        BayesianMixtureRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data cannot be used; the message says what to do.
        """
        return self._fit(X, y, sample_weight, labels=labels)

    @available_if(_streams)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Update the posterior with one more chunk of rows, which are not kept.

        The first chunk is a `fit`: it fixes the standardisation, and so the priors, unless
        `Priors` states it, and finds the components, so it should be large enough to show them
        all.  Calling `fit` makes its rows the first chunk; what came before is forgotten.

        Every further chunk moves the parameters by a natural-gradient step at a rate that falls as
        one over the rows seen, so that all rows count the same.  Rows should come in random order:
        a chunk that contradicts the rows before it makes ``converged_`` False.

        All fitted attributes are those of the posterior of all rows seen, except ``modes_``, which
        stays as the first chunk had it.  ``posterior_`` has no ``"log_likelihood"``; k-hat is
        estimated from the curvature over all rows and the shape over the last chunk.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in `fit`.

        Returns
        -------
        BayesianMixtureRegressor
            The estimator itself.

        Raises
        ------
        AttributeError
            If the solver cannot stream.
        ValueError, TypeError
            If something cannot be used, or the model is not that of the first chunk.
        """
        stream = getattr(getattr(self, "solver_", None), "stream_", None)
        if stream is None:
            return self.fit(X, y, sample_weight)
        weights.warn(self._learn_more(stream, X, y, sample_weight))
        self._warn()
        return self

    def to_pymc(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> pymc.Model:
        """The model of this fit in PyMC, to look at, sample or extend.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Rows of the fit, or others: the priors are those of the fit, on the scale of its data.
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None
        labels : array-like of shape (n,) or (n, K), default=None
            As in `fit`.  Of a fit with labels they are needed, as they are not stored; -1 for
            every row is the model without any.

        Returns
        -------
        pymc.Model
            With ``weights``, ``intercept``, ``coef`` and ``sigma`` in units of the data, dims
            ``mixture_component``, ``feature`` and ``observation``.  Its initial point has the
            lines of the most probable mode: from equal ones no optimiser gets away.  With
            groups or labels the likelihood is the potential ``y_log_likelihood``, and no variable
            is observed.

        Raises
        ------
        ValueError
            If the fit had labels and none are given, or something cannot be used.
        """
        rows = validation.validate_weighted_rows(self, X, y, sample_weight)
        known = labels_at(self.posterior_, labels, rows[0], "to_pymc")
        problem = self._problem(
            *rows,
            self.posterior_.family,
            self.posterior_.priors,
            standardisation=self.posterior_.design.standardisation,
            labels=known,
        )
        return build_model(
            problem,
            likelihood="plain",
            rows=rows,
            log_odds=known.log_odds,
            feature_names=self._feature_names(),
            start=self.posterior_.most_probable_mode,
        )
