"""Leave-one-out cross-validation by Pareto-smoothed importance sampling.

Weights are frequencies: a row of weight w stands for w copies, of which one is left out, and
every result is that of the repeated rows.

References
----------
Magnusson, M., Andersen, M. R., Jonasson, J. and Vehtari, A. (2019). Bayesian leave-one-out
cross-validation for large data. Proceedings of Machine Learning Research 97, 4244-4253.

Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using
leave-one-out cross-validation and WAIC. Statistics and Computing 27, 1413-1432.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._draws.limits import khat_threshold
from .._model._roles.units import Units, rows_of_units
from .._posterior import prediction
from .._posterior.datatree import sampled_variables
from .._posterior.posterior import Posterior
from .._support.arrays import Array, log_sum_exp
from .._support.caller import warn
from .._support.failures import memory_advice
from .information import some_draws, with_draws, with_few_draws

if TYPE_CHECKING:
    import xarray
    from arviz import ELPDDataLOO

# Smoothing costs half a millisecond per row: up to here that is ten seconds.
MOST_ROWS = 20_000
CHUNK_NUMBERS = 1 << 22  # log-likelihoods of rows at all draws, held at once
SCREENING_DRAWS = 200
# The rows that move the posterior most are smoothed whatever the subsample is.
INFLUENTIAL_ROWS = 200
# Why k-hat is high, and what to do.
INFLUENTIAL = (
    "without such a row the posterior is another, as where a component holds few rows",
    "cross-validate instead, cross_val_score(estimator, X, y, "
    "scoring=mean_log_predictive_density_scorer)",
)
APPROXIMATE = (
    "the approximation is too far from the posterior without them",
    "draw from the posterior itself, refit_as('auto', X, y)",
)
# Standard errors that a log-likelihood from few rows may be off by.
ERRORS_OF_FIT = 10.0


class _DistinctRows(NamedTuple):
    """Rows of positive weight, their numbers in the user's table, and how often each counts.

    Where rows are in groups, groups are left out: ``weights``, ``number`` (that of the first row),
    ``copies`` and ``factor`` are those of groups, whose rows lie one after the other from
    ``starts`` on.  ``copies`` (N,) says which row every observation is; ``factor`` (rows,) what its
    elpd is multiplied by, which is 1 unless weights are fractions.
    """

    X: Array
    y: Array
    weights: Array
    number: NDArray[np.intp]
    copies: NDArray[np.intp]
    factor: Array
    starts: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls, X: Array, y: Array, weights: Array | None, group: int | None = None
    ) -> _DistinctRows:
        weights = np.ones(len(y)) if weights is None else weights
        number = np.flatnonzero(weights > 0.0)
        starts = None
        if group is not None:
            units = Units.of(X[number, group])
            number, starts = number[units.order], units.starts
        X, y, weights = X[number], y[number], weights[number]
        if starts is not None:
            number, weights = number[starts[:-1]], weights[starts[:-1]]
        everyone = np.arange(len(weights))
        if (weights == np.rint(weights)).all():
            copies = np.repeat(everyone, weights.astype(np.intp))
            return cls(X, y, weights, number, copies, np.ones(len(weights)), starts)
        return cls(X, y, weights, number, everyone, weights, starts)

    @property
    def row_weights(self) -> Array:
        """Weights of single rows."""
        if self.starts is None:
            return self.weights
        return np.repeat(self.weights, np.diff(self.starts))

    def joint(self, posterior: Posterior, index: NDArray[np.intp], n_threads: int) -> Array:
        """Log-likelihoods of rows, or of whole groups, at every draw: (S, m)."""
        rows, starts = index, None
        if self.starts is not None:
            rows, starts = rows_of_units(self.starts, index)
        draws = prediction.log_likelihood_draws(
            posterior, self.X[rows], self.y[rows], n_threads=n_threads
        ).reshape(-1, len(rows))
        return draws if starts is None else np.add.reduceat(draws, starts[:-1], axis=1)


@memory_advice(
    "Leaving out takes some numbers per observation, and observations are as many as the sum of "
    "sample_weight: divide the weights by a number, or use bic(X, y)."
)
def loo(
    posterior: Posterior,
    X: Array,
    y: Array,
    weights: Array | None,
    rng: np.random.Generator,
    *,
    exact: bool,
    subsample_size: int,
    from_posterior: bool,
    n_threads: int = 1,
) -> ELPDDataLOO:
    """Expected log predictive density of rows left out one by one, by PSIS.

    Parameters
    ----------
    posterior : Posterior
    X, y : ndarrays of shape (n, p) and (n,)
        The rows of the fit.
    weights : ndarray of shape (n,) or None
        Those of the fit.
    rng : numpy.random.Generator
        Which rows the subsample has.
    exact : bool
        Every row, however many.
    subsample_size : int
    from_posterior : bool
        Whether draws are from the posterior rather than from an approximation.
    n_threads : int

    Raises
    ------
    ValueError
        If leaving out cannot be computed from these draws, or the rows are not those of the fit.
    """
    rows = _DistinctRows.of(X, y, weights, posterior.design.roles.group)
    check_draws(posterior, from_posterior)
    check_rows(posterior, rows.X, rows.y, rows.row_weights)
    left_out = _LeaveOneOut(posterior, rows, from_posterior, n_threads)
    if exact or len(rows.weights) <= MOST_ROWS or len(rows.copies) <= subsample_size:
        return _all_rows(left_out)
    return _subsampled(left_out, rng, subsample_size)


def check_draws(posterior: Posterior, from_posterior: bool) -> None:
    """Reject draws that say nothing of a posterior without a row."""
    if posterior.log_prior.size == 1:
        raise ValueError(
            f"loo needs draws from the posterior, and solver={posterior.solver!r} gives a single "
            "point; fit with another solver, for example refit_as('auto', X, y)."
        )
    if "log_likelihood" not in posterior:
        raise ValueError(
            "loo needs the likelihood of all rows of the fit, which are gone where rows came in "
            "chunks (partial_fit); fit all rows at once, or score rows that were held out with "
            "log_predictive_density."
        )
    if posterior.layout.fixed_labels:
        raise ValueError(
            "loo is not there for a fit with labels: it knows no memberships. Use bic(X, y, "
            "labels=labels), or score rows that were held out with log_predictive_density."
        )
    if not from_posterior and "log_proposal" not in posterior:
        raise ValueError(
            f"The draws of solver={posterior.solver!r} come from an approximation whose density "
            "is not known, so that loo cannot correct them; use refit_as('auto', X, y)."
        )


def check_rows(posterior: Posterior, X: Array, y: Array, weights: Array) -> None:
    """Reject other rows than those of the fit, by the log-likelihood of three draws."""
    S = posterior.log_prior.size
    few = np.array([0, S // 2, S - 1])
    at_few = with_draws(posterior, some_draws(posterior, few))
    rows = prediction.log_likelihood_draws(at_few, X, y)[0]
    total, fitted = rows @ weights, posterior["log_likelihood"].ravel()[few]
    # Of many rows that of the fit may be an estimate.
    unsure = ERRORS_OF_FIT * posterior.report.get("log_likelihood_error", 0.0)
    if (np.abs(total - fitted) > unsure + 1e-9 * (np.abs(rows) @ weights + 1.0)).any():
        raise ValueError(
            f"loo got {len(y)} rows of total weight {weights.sum():g} that are not the rows of "
            f"the fit: their log-likelihood at a draw is {total[0]:.6g}, in the fit it was "
            f"{fitted[0]:.6g}. Pass X, y and sample_weight as in fit (as the last step of a "
            "pipeline sees them); for other rows use log_predictive_density."
        )


class _Pointwise(NamedTuple):
    """Per row: elpd without one copy, log density with it, and Pareto's k."""

    elpd: Array
    density: Array
    pareto_k: Array


class _LeaveOneOut:
    r"""Pareto-smoothed importance sampling of the posteriors without one copy of a row.

    Draws of the posterior are weighed by :math:`1 / p(y_i \mid \theta)`, or by its power
    ``weights[i]`` where that is below 1; those of an approximation q by :math:`p / q` as well
    (Magnusson et al. 2019, sec. 3.2).
    """

    def __init__(
        self, posterior: Posterior, rows: _DistinctRows, from_posterior: bool, n_threads: int
    ):
        self.posterior, self.rows = posterior, rows
        self.approximate = not from_posterior
        self.n_threads = n_threads
        self.n_draws = S = posterior.log_prior.size
        self.good_k = khat_threshold(S)
        self.reff = relative_efficiency(posterior)
        self.log_ratio = np.zeros(S)
        self.log_base = np.full(S, -np.log(S))
        if self.approximate:
            ratio = posterior.log_prior + posterior["log_likelihood"] - posterior["log_proposal"]
            self.log_ratio = ratio.ravel() - ratio.max()
            self.log_base = _smoothed(self.log_ratio[None], self.reff)[0][0]

    def smooth(self, index: NDArray[np.intp]) -> _Pointwise:
        """PSIS of the rows ``index`` (m,), in chunks of bounded memory."""
        size = max(1, CHUNK_NUMBERS // self.n_draws)
        chunks = [self._chunk(index[i : i + size]) for i in range(0, len(index), size)]
        return _Pointwise(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))

    def _chunk(self, index: NDArray[np.intp]) -> _Pointwise:
        weights = self.rows.weights[index]
        draws = self.rows.joint(self.posterior, index, self.n_threads)
        log_likelihood = np.ascontiguousarray(draws.T)
        power = np.minimum(weights, 1.0)[:, None]
        log_weights, k = _smoothed(self.log_ratio - power * log_likelihood, self.reff)
        return _Pointwise(
            log_sum_exp(log_weights + log_likelihood)[:, 0],
            log_sum_exp(self.log_base + log_likelihood)[:, 0],
            k,
        )

    def density(self) -> Array:
        """Log density of every row averaged over the draws as they are, (rows,)."""
        rows = self.rows
        out = prediction.log_predictive_density(
            self.posterior, rows.X, rows.y, n_threads=self.n_threads
        )
        return out if rows.starts is None else np.add.reduceat(out, rows.starts[:-1])

    def influence(self) -> Array:
        """Posterior variance of every row's log-likelihood, from some of the draws: (rows,)."""
        thinned = with_few_draws(self.posterior, SCREENING_DRAWS)
        size = max(1, CHUNK_NUMBERS // thinned.log_prior.size)
        everyone = np.arange(len(self.rows.weights))
        parts = [
            self.rows.joint(thinned, everyone[i : i + size], self.n_threads).var(axis=0, ddof=1)
            for i in range(0, len(everyone), size)
        ]
        return np.concatenate(parts)

    def warn(self, index: NDArray[np.intp], pareto_k: Array, among: str) -> bool:
        """Whether k-hat of some rows is too high, with a warning that names them."""
        high = ~(pareto_k <= self.good_k)
        if not high.any():
            return False
        worst = np.argsort(-np.where(np.isnan(pareto_k), np.inf, pareto_k))[: min(5, high.sum())]
        named = ", ".join(f"{self.rows.number[index[i]]} ({pareto_k[i]:.2f})" for i in worst)
        cause, advice = APPROXIMATE if self.approximate else INFLUENTIAL
        warn(
            f"loo: k-hat is over {self.good_k:.2f} for {high.sum()} of {among} rows: {cause}, so "
            "that the elpd of these rows is not reliable, most often too high. The highest, by "
            f"row (k-hat): {named}. If they decide a comparison, {advice}.",
            UserWarning,
        )
        return True


def _smoothed(log_ratio: Array, reff: float) -> tuple[Array, Array]:
    """Normalised log weights and k-hat, ratios (m, S) -> (m, S), (m,)."""
    from arviz_stats.base import array_stats

    log_weights, k = array_stats.psislw(-log_ratio, r_eff=reff)
    return np.asarray(log_weights), np.atleast_1d(k)


def relative_efficiency(posterior: Posterior) -> float:
    """Effective draws per draw, averaged over all variables as ArviZ does; 1 if independent."""
    if posterior.independent:
        return 1.0
    from arviz_stats.base import array_stats

    lead = posterior.log_prior.shape
    variables = [*posterior.parameters.values(), *sampled_variables(posterior).values()]
    values = np.concatenate([value.reshape(*lead, -1) for value in variables], axis=2)
    values = values[:, :, np.ptp(values, axis=(0, 1)) > 0.0]
    ess = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    return float(np.mean(ess)) / posterior.log_prior.size


def _all_rows(left_out: _LeaveOneOut) -> ELPDDataLOO:
    from arviz import ELPDDataLOO

    rows = left_out.rows
    everyone = np.arange(len(rows.weights))
    point = left_out.smooth(everyone)
    elpd = (rows.factor * point.elpd)[rows.copies]
    N = len(elpd)
    return ELPDDataLOO(
        elpd=float(elpd.sum()),
        se=float(np.sqrt(N * elpd.var(ddof=min(1, N - 1)))),
        p=float((rows.factor * (point.density - point.elpd))[rows.copies].sum()),
        n_samples=left_out.n_draws,
        n_data_points=N,
        scale="log",
        warning=left_out.warn(everyone, point.pareto_k, f"{N}"),
        good_k=left_out.good_k,
        elpd_i=_labelled("elpd_i", elpd, rows),
        pareto_k=_labelled("pareto_k", point.pareto_k[rows.copies], rows),
        approx_posterior=left_out.approximate,
    )


def _subsampled(left_out: _LeaveOneOut, rng: np.random.Generator, size: int) -> ELPDDataLOO:
    """The difference estimator of Magnusson et al. (2019), eq. 7, for a simple random sample.

    Every row's elpd is approximated by WAIC's, its log density less its influence; the sample
    corrects their sum.
    """
    from arviz import ELPDDataLOOSubsample
    from arviz_stats.base import array_stats

    rows = left_out.rows
    N = len(rows.copies)
    sample = rng.choice(N, size, replace=False)
    density, influence = left_out.density(), left_out.influence()
    influential = np.argsort(-influence, kind="stable")[:INFLUENTIAL_ROWS]
    index = np.union1d(rows.copies[sample], influential)
    point = left_out.smooth(index)
    elpd, smooth_density, k = np.full((3, len(rows.weights)), np.nan)
    elpd[index], smooth_density[index], k[index] = point
    guess = density - np.minimum(rows.weights, 1.0) * influence
    guess[influential] = elpd[influential]

    observed = rows.copies[sample]
    elpd, guess, density, smooth_density = (
        rows.factor * values for values in (elpd, guess, density, smooth_density)
    )
    total, subsampling_se, se = array_stats.diff_srs_estimator(
        elpd[observed], guess[observed], guess[rows.copies], N
    )
    total_density, _, _ = array_stats.diff_srs_estimator(
        smooth_density[observed], density[observed], density[rows.copies], N
    )
    # ArviZ would leave nan at the other rows, from which its stacking gives equal weights.
    elpd_i = np.where(np.isin(np.arange(N), sample), elpd[rows.copies], guess[rows.copies])
    return ELPDDataLOOSubsample(
        elpd=float(total),
        se=float(se),
        p=float(total_density - total),
        n_samples=left_out.n_draws,
        n_data_points=N,
        scale="log",
        warning=left_out.warn(index, point.pareto_k, f"{len(index)} computed"),
        good_k=left_out.good_k,
        elpd_i=_labelled("elpd_i", elpd_i, rows),
        pareto_k=_labelled("pareto_k", k[rows.copies], rows),
        approx_posterior=left_out.approximate,
        subsample_size=size,
        subsampling_se=float(subsampling_se),
        loo_subsample_observations=sample,
        elpd_loo_approx=_labelled("elpd_loo_approx", guess[rows.copies], rows),
    )


def _labelled(name: str, values: Array, rows: _DistinctRows) -> xarray.DataArray:
    import xarray as xr

    coords = {
        "observation": np.arange(len(values)),
        "row": ("observation", rows.number[rows.copies]),
    }
    return xr.DataArray(values, dims=["observation"], coords=coords, name=name)
