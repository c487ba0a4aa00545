"""From rows to the posterior and the attributes of a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._assessment.complaints import complaints
from .._assessment.identification import held_by_prior
from .._dask import dask_input
from .._model._roles.selection import roles_of
from .._model.held_data import HeldData
from .._model.priors import NumericPriors, Priors
from .._model.problem import Problem
from .._model.standardisation import Standardisation
from .._posterior.known_modes import known_modes
from .._posterior.posterior import Posterior
from .._support.arrays import Array
from .._support.blas import one_blas_thread
from .._support.caller import warn
from .._support.failures import FIT_ADVICE, all_or_nothing, memory_advice
from .._support.progress import CallbackSupportMixin, fit_progress, with_callbacks
from ..backgrounds import BACKGROUNDS, Background
from ..families import FAMILIES, Family
from ..solvers import SOLVERS, Solver
from . import parameters, validation, weights
from ._reporting.reported import ReportedMixture
from .labels import NO_LABELS, Labels


class LearnedMixture(CallbackSupportMixin, ReportedMixture):
    """A mixture that can be fitted; what its parameters are is up to the estimator."""

    n_components: int
    family: str | Family
    background: str | Background | None
    censoring_feature: str | int | None
    shared_intercept: bool
    solver: str | Solver
    priors: Priors | None
    fit_intercept: bool
    n_init: int
    n_jobs: int | None
    random_state: int | np.random.RandomState | np.random.Generator | None

    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: Any,
        known: Posterior | None = None,
        labels: Any = None,
    ) -> Self:
        """As `fit`; with an earlier fit to the same rows ``known``, nothing is searched."""
        doubts = self._learn(X, y, sample_weight, known, labels)
        weights.warn(doubts)  # from inside it would point at a line of scikit-learn
        self._warn()
        return self

    @all_or_nothing
    @memory_advice(FIT_ADVICE)
    @with_callbacks
    def _learn(
        self, X: Any, y: Any, sample_weight: Any, known: Posterior | None, labels: Any
    ) -> list[str]:
        """As `_fit`, without a word; returned is what may be in doubt of rows, roles and prior."""
        with fit_progress(self, X, y, sample_weight) as progress:
            family, solver, priors, n_threads = self._resolve()
            dask_input.check_served(solver, SOLVERS, X, y, sample_weight)
            rows = validation.validate_training_data(
                self, X, y, sample_weight, int(self.n_components), family
            )
            doubts = weights.doubts(self, rows[0], rows[2], family)
            odds = validation.validate_labels(self, labels, rows[0], family, int(self.n_components))
            # An overflow is a proposal far out, whose density is zero and its logarithm -inf.
            with one_blas_thread(), np.errstate(over="ignore"):
                problem = self._problem(
                    *rows,
                    family,
                    priors,
                    n_threads,
                    own_column=solver.own_column,
                    labels=odds,
                )
                with problem.rows:
                    modes, draws = solver.solve(
                        problem,
                        parameters.resolve_generator(self.random_state),
                        n_init=int(self.n_init),
                        n_threads=n_threads,
                        progress=progress,
                        modes=None if known is None else known_modes(problem, known),
                    )
                    posterior = Posterior.from_draws(problem, modes, draws)
                    doubts += held_by_prior(problem, modes.best.theta)
            self._set_fitted(family, solver, posterior)
            return doubts

    @all_or_nothing
    @memory_advice(FIT_ADVICE)
    @with_callbacks
    def _learn_more(self, stream: Any, X: Any, y: Any, sample_weight: Any) -> list[str]:
        """As `_learn`, with one more chunk of rows."""
        with fit_progress(self, X, y, sample_weight, name="partial_fit") as progress:
            family, solver, _, n_threads = self._resolve()
            rows = validation.validate_weighted_rows(self, X, y, sample_weight)
            doubts = weights.doubts(self, rows[0], rows[2], family)
            with one_blas_thread(), np.errstate(over="ignore"):
                scales = stream.design.standardisation
                priors = parameters.priors_as(self.priors, stream.priors)
                problem = self._problem(*rows, family, priors, n_threads, scales)
                problem = replace(problem, resolution=self.posterior_.resolution)
                with problem.rows:
                    generator = parameters.resolve_generator(self.random_state)
                    draws = solver.continue_stream(stream, problem, generator, progress=progress)
                    posterior = Posterior.from_draws(problem, stream.modes, draws)
                    # The modes of a stream are those of its first chunk.
                    posterior = replace(posterior, modes=stream.table.frame())
            self._set_fitted(family, solver, posterior)
            return doubts

    def _resolve(self) -> tuple[Family, Any, NumericPriors, int]:
        """What the parameters stand for, checked: family, solver, priors and threads."""
        validation.check_parameters(self)
        family = parameters.resolve_named("family", self.family, FAMILIES, Family)
        family.check_options()
        family = parameters.with_censoring(family, self.censoring_feature, self.background)
        return (
            family,
            parameters.resolve_named("solver", self.solver, SOLVERS, Solver),
            parameters.resolve_priors(self.priors),
            parameters.resolve_threads(self.n_jobs),
        )

    def _background(self) -> Background | None:
        """What the parameter stands for, checked."""
        if self.background is None:
            return None
        background = parameters.resolve_named(
            "background", self.background, BACKGROUNDS, Background
        )
        background.check_options()
        return background

    def _set_fitted(self, family: Family, solver: Solver, posterior: Posterior) -> None:
        """Set all fitted attributes."""
        self.family_ = family.without_censoring
        self.solver_ = solver
        self._set_posterior(posterior)

    def _set_posterior(self, posterior: Posterior) -> None:
        """Set the fitted attributes that are read off the posterior."""
        drawn = posterior.parameters

        def average(name: str) -> Array:
            return np.asarray(drawn[name].mean(axis=(0, 1)))

        self.posterior_ = posterior
        self.weights_ = average("weights")
        self.coef_ = average("coef")
        self.intercept_ = average("intercept")
        if posterior.design.gate is not None:
            self.gating_intercept_ = average("gating_intercept")
            self.gating_coef_ = average("gating_coef")
        for name in self.family_.extra_names:
            setattr(self, f"{name}_", average(name))
        self.solver_report_ = dict(posterior.report)
        value, error = posterior.log_evidence, posterior.log_evidence_error
        self.log_evidence_ = np.nan if value is None else value
        self.log_evidence_error_ = np.nan if error is None else error
        self.converged_ = not posterior.failures

    def _warn(self) -> None:
        """Say what is wrong with the fit."""
        for message, category in complaints(self.posterior_, self.posterior_.priors):
            warn(message, category)

    def _problem(
        self,
        X: Array,
        y: Array,
        row_weights: Array | None,
        family: Family,
        priors: NumericPriors,
        n_threads: int = 1,
        standardisation: Standardisation | None = None,
        own_column: int | None = None,
        labels: Labels = NO_LABELS,
    ) -> Problem:
        allowed, fixed_labels = labels
        first = standardisation is None
        if first:
            roles = roles_of(self, family)
            n_regressors = len(roles.slopes)
            standardisation = parameters.resolve_standardisation(
                self.priors, n_regressors, bool(self.fit_intercept)
            )._replace(roles=roles)
            if own_column is not None and own_column < n_regressors:
                standardisation = standardisation._replace(x_axis=own_column)
        problem = Problem.from_data(
            HeldData(X, y, row_weights, n_threads, allowed) if isinstance(X, np.ndarray) else X,
            family=family,
            n_components=int(self.n_components),  # one of eight bits would overflow
            priors=priors,
            fit_intercept=bool(self.fit_intercept),
            standardisation=standardisation,
            background=self._background() if first else None,
            shared_intercept=bool(self.shared_intercept),
            fixed_labels=fixed_labels,
        )
        problem = problem.with_something_seen()
        default = first and parameters.check_priors(self.priors).sigma_floor is None
        return problem.with_default_floor() if default else problem
