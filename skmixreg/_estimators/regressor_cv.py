"""The estimator that chooses its number of components and its family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from .._assessment.averaging import average
from .._assessment.candidates import (
    LEAST_PROBABILITY,
    Candidate,
    Key,
    find_candidates,
    in_words,
    key_of,
    number_in,
)
from .._assessment.identification import held_by_prior
from .._dask.dask_input import is_dask
from .._model.priors import Priors
from .._posterior.family_average import Predictive
from .._posterior.posterior import Posterior
from .._support.blas import one_blas_thread
from .._support.caller import warn
from .._support.failures import FIT_ADVICE, all_or_nothing, memory_advice
from .._support.progress import CallbackSupportMixin, fit_progress, with_callbacks
from .._support.stored_table import StoredTable
from ..backgrounds import Background
from ..families import Family
from ..solvers import SOLVERS, Solver
from . import choice, parameters, validation, weights
from ._reporting.fit import Choice
from ._reporting.reported import ReportedMixture
from .parameters import Features
from .regressor import BayesianMixtureRegressor

OWN_PARAMETERS = ("n_components", "criterion", "average")


class BayesianMixtureRegressorCV(CallbackSupportMixin, ReportedMixture):
    r"""Mixture of regressions with the number of components K, or family and K, chosen.

    Every K is fitted once to all rows, from the modes of the fit with one component fewer; there
    are no refits, and no folds.  With equal prior odds the posterior over K is

    .. math::

        P(K \mid y) \propto p(y \mid K)
            = \int p(y \mid \theta, K) \, p(\theta \mid K) \, d\theta .

    The data decide how exactly: one round of importance sampling gives the evidence of every K,
    and K are drawn from in full while their share may still exceed 1% although the estimate of
    that round were 3 nats too low (it was at most 1.9 too low in 563 tests).  The
    others are ruled out, and the table says so.

    With several families, every pair of a family and K is a candidate in the place of K.

    Parameters
    ----------
    n_components : iterable of int, or int, default=(1, 2, 3, 4, 5, 6)
        The numbers to choose from.
    criterion : {"evidence", "loo", "bic", "icl"}, default="evidence"
        ``"evidence"``: the largest marginal likelihood.  It depends on the priors, which are
        therefore stated and proper.  ``"loo"``: the smallest K whose expected log predictive
        density is within one standard error (of the difference) of the best, and of families that
        are so with this K the one with the fewest parameters; it draws from every K in full, and
        takes longest.  ``"bic"``, ``"icl"``: the smallest, at the most probable mode of each K;
        see `bic` and `icl`.
    average : bool, default=False
        Whether predictions of y average over K, and over several families, with ``probability``
        of the table as weights (Hoeting et al. 1999): `predict`, `predict_quantiles`,
        `predict_interval`, `predict_hdr`, `sample_y`, `log_predictive_density` and `score`.  What
        speaks of components is always that of the best candidate.  Not with
        ``criterion="icl"``, which gives no weights.
    family : str, Family or list of them, default="gaussian"
        As for `BayesianMixtureRegressor`; or several to choose from, which all must be able to
        have this y.  All are of counts, or all of measurements: probabilities are not compared
        with densities.  Every pair of a family and K has the same prior probability.
    background, censoring_feature, component_features, shared_features, gating_features
        As for `BayesianMixtureRegressor`, and all that follow here.
    offset_feature, exposure_feature, group_feature, shared_intercept
    solver, priors, fit_intercept, n_init, n_jobs, random_state, verbose

    Attributes
    ----------
    n_components_ : int
        The chosen K.
    family_ : Family
        The chosen family, a clone.
    best_candidate_ : int or tuple of str and int
        The label of the chosen row of ``criterion_table_``.
    best_estimator_ : BayesianMixtureRegressor
        The chosen fit.  Its fitted attributes are those of this estimator as well.
    criterion_table_ : DataFrame
        One row per K, index ``n_components``; of a list of families one per pair, index
        ``family`` (the name; where it is not unique, as ``StudentT(df=3.0)``) and
        ``n_components``: ``log_evidence`` and ``log_evidence_error``;
        ``elpd_loo``, ``elpd_loo_error`` and ``elpd_loo_difference_error``, that of the difference
        to the best, with ``criterion="loo"``; ``log_likelihood`` at the
        most probable mode, ``n_parameters``, ``aic``, ``bic``, ``icl``; ``probability``, the
        posterior probability of the row where the criterion is the evidence, Schwarz's
        approximation of it for BIC, and stacking weights for LOO (Yao et al. 2018); ``drawn``,
        whether it was drawn from in full, and ``converged`` of these fits.
    estimators_ : dict of int, or of tuples, to BayesianMixtureRegressor
        The full fits by label of ``criterion_table_``.
    resolved_ : bool
        Whether the choice is settled: every K has its criterion, and Monte Carlo error
        could not have changed it.  A K without one is never ranked.  Of exact ties the first row
        is chosen.

    Warns
    -----
    ConvergenceWarning
        If the choice is not resolved, or the best fit did not converge.  Where a K has no
        criterion, no K has a probability, and predictions are those of the best fit alone.

    References
    ----------
    Fruhwirth-Schnatter, S. (2006). Finite Mixture and Markov Switching Models. Springer, ch. 5.

    Hoeting, J. A., Madigan, D., Raftery, A. E. and Volinsky, C. T. (1999). Bayesian model
    averaging: a tutorial. Statistical Science 14, 382-417.

    Kass, R. E. and Raftery, A. E. (1995). Bayes factors. JASA 90, 773-795.

    Yao, Y., Vehtari, A., Simpson, D. and Gelman, A. (2018). Using stacking to average Bayesian
    predictive distributions. Bayesian Analysis 13, 917-1007.

    Examples
    --------
    >>> import numpy as np
    >>> from skmixreg import BayesianMixtureRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, 500)
    >>> y = np.where(rng.random(500) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, 500)
    >>> model = BayesianMixtureRegressorCV(range(1, 4), random_state=0).fit(x[:, None], y)
    >>> model.n_components_
    2
    >>> bool(model.criterion_table_["probability"][2] > 0.9)
    True
    """

    def __init__(
        self,
        n_components: Iterable[int] | int = (1, 2, 3, 4, 5, 6),
        *,
        criterion: str = "evidence",
        average: bool = False,
        family: str | Family | Iterable[str | Family] = "gaussian",
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
        self.criterion = criterion
        self.average = average
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
        """Fit every number of components, of every family, and choose.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, p)
            Rows; finite numbers.
        y : array-like of shape (n,)
            Response; finite numbers.
        sample_weight : array-like of shape (n,), default=None
            Frequencies, as in `BayesianMixtureRegressor.fit`.
        labels : array-like of shape (n,), default=None
            Memberships that are known: integers below the least K, -1 where unknown.

        Returns
        -------
        BayesianMixtureRegressorCV
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data cannot be used; the message says what to do.
        """
        doubts, of_rows = self._learn(X, y, sample_weight, labels)
        weights.warn(of_rows)
        if doubts:
            warn(
                f"The choice of {in_words(self.best_candidate_)} is not resolved: "
                f"{'; '.join(doubts)}. Look at criterion_table_; raise the solver's draws.",
                ConvergenceWarning,
            )
        self.best_estimator_._warn()
        return self

    @all_or_nothing
    @memory_advice(FIT_ADVICE)
    @with_callbacks
    def _learn(
        self, X: Any, y: Any, sample_weight: Any, labels: Any
    ) -> tuple[list[str], list[str]]:
        """As `fit`, without a word; returned is why the choice and the weights may be in doubt."""
        with fit_progress(self, X, y, sample_weight) as progress:
            numbers = choice.numbers_of(self.n_components)
            criterion = choice.criterion_of(self.criterion, self.average)
            families = choice.families_of(self.family)
            choice.check_labels(labels, criterion, min(numbers))
            if criterion.leaves_out and is_dask(X, y, sample_weight):
                raise TypeError(
                    f"criterion={self.criterion!r} needs rows in memory and was given a Dask "
                    "collection; use criterion='evidence', 'bic' or 'icl', or X.compute()."
                )
            models = {
                key_of(label, K): self._model(K, family)
                for label, family in families.items()
                for K in numbers
            }
            first = {label: models[key_of(label, numbers[0])] for label in families}
            own = {label: model._resolve()[0] for label, model in first.items()}
            _, solver, priors, n_threads = first[next(iter(first))]._resolve()
            if criterion.column == "log_evidence" and not solver.exact:
                raise ValueError(
                    f"criterion={criterion.name!r} needs an exact solver, since "
                    f"{solver.name!r} gives no evidence; use solver='auto', or criterion='bic'."
                )
            rows = validation.validate_training_data(
                self, X, y, sample_weight, numbers[-1], *own.values()
            )
            one = next(iter(own.values()))
            known = validation.validate_labels(self, labels, rows[0], one, numbers[0])
            rng = parameters.resolve_generator(self.random_state)
            options: dict[str, Any] = {
                "n_init": int(self.n_init), "n_threads": n_threads, "progress": progress,
            }  # fmt: skip

            def solve(candidate: Candidate) -> None:
                model = models[candidate.key]
                solver = model._resolve()[1]
                modes, draws = solver.solve(
                    candidate.problem, rng, modes=candidate.modes, **options
                )
                candidate.posterior = Posterior.from_draws(candidate.problem, modes, draws)
                self._take_over(model, solver, candidate.posterior)

            for model in models.values():
                choice.take_columns(self, model)
            with one_blas_thread(), np.errstate(over="ignore"), ExitStack() as held:
                problems = {}
                for label, model in first.items():
                    problems[label] = model._problem(
                        *rows, own[label], priors, n_threads, labels=known
                    )
                    held.enter_context(problems[label].rows)
                    solver.check(problems[label])
                candidates: list[Candidate] = []
                for label, problem in problems.items():
                    candidates += find_candidates(problem, numbers, rng, family=label, **options)
                criterion.draw(candidates, solve)
                for candidate in candidates:
                    if candidate.posterior is None:
                        model = models[candidate.key]
                        self._take_over(model, SOLVERS["map"](), candidate.at_modes(rng))
                table, fits = choice.table_of(
                    candidates, models, criterion, (X, y, sample_weight), labels
                )
                chosen = criterion.choose(table, fits)
                averaging = table.index[table["probability"] >= LEAST_PROBABILITY].tolist()
                for candidate in candidates:
                    key = candidate.key
                    wanted = chosen == key or (self.average and key in averaging)
                    if wanted and candidate.posterior is None:
                        solve(candidate)
                best = next(candidate for candidate in candidates if candidate.key == chosen)
                of_prior = held_by_prior(best.problem, best.modes.best.theta)
            self._set_chosen(candidates, models, table, chosen)
            doubts = criterion.doubts(table, chosen)
            self.resolved_ = not doubts
            of_rows = weights.doubts(self, rows[0], rows[2], one)
            return doubts, [*of_rows, *of_prior]

    def _model(self, n_components: int, family: str | Family) -> BayesianMixtureRegressor:
        params = self.get_params(deep=False)
        for name in OWN_PARAMETERS:
            del params[name]
        return BayesianMixtureRegressor(n_components, **{**params, "family": family})

    def _take_over(
        self, model: BayesianMixtureRegressor, solver: Solver, posterior: Posterior
    ) -> None:
        """Make ``model`` the fit that has this posterior."""
        family = posterior.family.of_regressions.without_censoring
        model.family_, model.solver_ = family, solver
        model._set_posterior(posterior)

    def _set_chosen(
        self,
        candidates: Sequence[Candidate],
        models: dict[Key, BayesianMixtureRegressor],
        table: pd.DataFrame,
        chosen: Key,
    ) -> None:
        """Set all fitted attributes."""
        drawn = {c.key: c.posterior for c in candidates if c.posterior is not None}
        for name, value in vars(models[chosen]).items():
            if name.endswith("_"):
                setattr(self, name, value)
        keys = table.index.tolist()
        table["drawn"] = [key in drawn for key in keys]
        table["converged"] = pd.array(
            [models[key].converged_ if key in drawn else None for key in keys], dtype="boolean"
        )
        self.n_components_ = number_in(chosen)
        self.best_candidate_ = chosen
        self.best_estimator_ = models[chosen]
        self._criterion_table = StoredTable.of(table)
        self._drawn = [(key, models[key]) for key in drawn]
        self._averaged: Predictive | None = None
        if self.average and table["probability"].notna().all():
            probability = table.loc[table["drawn"], "probability"].to_numpy()
            self._averaged = average(drawn, probability / probability.sum())

    @property
    def estimators_(self) -> dict[Any, BayesianMixtureRegressor]:
        """The full fits by label of the table, as a new dict."""
        return dict(self._drawn)  # stored formats know no keys that are tuples

    @property
    def criterion_table_(self) -> pd.DataFrame:
        """One row per candidate, as a new frame."""
        return self._criterion_table.frame()

    def _choice(self) -> Choice:
        return Choice(
            choice.criterion_of(self.criterion, self.average),
            self.criterion_table_,
            self.best_candidate_,
            self.resolved_,
            self._averaged is not None,
        )

    @property
    def _predictive(self) -> Predictive:
        averaged = getattr(self, "_averaged", None)
        return self.posterior_ if averaged is None else averaged

    def refit_as(
        self,
        solver: str | Solver,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> Any:
        """The best fit with another solver: see `BayesianMixtureRegressor.refit_as`."""
        check_is_fitted(self)
        return self.best_estimator_.refit_as(solver, X, y, sample_weight, labels)
