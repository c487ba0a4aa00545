"""Successes among a known number of trials."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import special, stats

from .._support.arrays import Array
from ._base import Family, Support
from ._distributions.notation import Notation

# Beyond it neither probability is told from 0 or 1.
LARGEST_PREDICTOR = 700.0
# Of trials of a row, below which there is none.
LEAST_CORRELATION = 1e-8


class Binomial(Family):
    r"""Successes: :math:`y_i \mid z_i = k \sim \mathrm{Binomial}(m_i, p_{ik})`,
    :math:`\log(p_{ik} / (1 - p_{ik})) = b_{0k} + x_i^\top b_k`.

    Slopes are logarithms of odds ratios per unit of a column.  Predictions are of the number of
    successes among the trials of each row.

    A component of rows with one trial each is hardly identified: any mixture of Bernoulli
    distributions is one Bernoulli distribution, so that components are told apart by the shape of
    the logistic curve alone, and the evidence cannot choose their number (Follmann and Lambert
    1991).

    Parameters
    ----------
    trials : str, int or None, default=None
        The column of X, by name or position, that holds the number :math:`m_i` of trials.  It is
        no regressor then.  None: one trial in every row, so that y is 0 or 1.

    References
    ----------
    Follmann, D. A. and Lambert, D. (1991). Identifiability of finite mixtures of logistic
    regression models. Journal of Statistical Planning and Inference 27, 375-381.
    """

    name = "binomial"
    link = "logit"
    unimodal = True
    discrete = True
    column_options: ClassVar[tuple[str, ...]] = ("trials",)
    largest_predictor = LARGEST_PREDICTOR

    def __init__(self, trials: str | int | None = None):
        self.trials = trials

    @property
    def support(self) -> Support:  # type: ignore[override]
        """Up to the number of trials, which `check_response` looks at."""
        return Support(0.0, 1.0 if self.trials is None else np.inf, True, self.trials is None)

    @property
    def response_words(self) -> str:  # type: ignore[override]
        """What y has to be."""
        if self.trials is None:
            return "0 or 1, since every row is one trial"
        return "counts of successes, from 0 to the number of trials"

    @property
    def response_advice(self) -> str:  # type: ignore[override]
        """What to do about others."""
        if self.trials is None:
            return "Name the column of X that holds the trials: Binomial(trials=...)."
        return "Give the number of successes, not their share."

    def notation(self, *extra: str) -> Notation:
        trials = extra[0] if extra else "1"
        return Notation(
            "binomial counts of successes, whose log odds are linear",
            rf"\mathrm{{Binomial}}(y_i \mid {trials}, p_{{ik}})",
            r"\log \frac{p_{ik}}{1 - p_{ik}}",
        )

    def kernel_settings(self, location: float = 0.0) -> NamedTuple:
        from ._kernels.binomial_kernels import BinomialSettings

        return BinomialSettings(float(location))

    def check_columns(self, *columns: Array) -> None:
        (trials,) = columns or (np.ones(1),)
        wrong = (trials < 0.0) | (trials != np.rint(trials))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"Trials are whole numbers, 0 or more, but column {self.trials!r} of X is "
                f"{trials[row]:g} in row {row} (one of {int(wrong.sum())} such rows)."
            )

    def check_response(self, y: Array, *columns: Array) -> None:
        super().check_response(y)
        (trials,) = columns or (np.ones(len(y)),)
        wrong = y > trials
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"family={self.name!r} needs {self.response_words}, but y[{row}] is {y[row]:g} of "
                f"{trials[row]:g} trials (one of {int(wrong.sum())} such rows). "
                "Is y the number of failures, or the column another one?"
            )

    def location(self, mean: float, total: float, *columns: float) -> float:
        # Half a success and half a failure keep the logarithm finite.
        (trials,) = columns or (1.0,)
        return float(np.log(mean * total + 0.5) - np.log((trials - mean) * total + 0.5))

    def auxiliary(self, y: Array, *columns: Array) -> Array:
        (trials,) = columns or (np.ones(len(y)),)
        coefficients = _log_coefficient(y, trials)
        return coefficients[None] if columns else np.stack([trials, coefficients])

    def log_density(self, y: Array, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (np.ones(1),)
        possible = (y >= 0.0) & (y == np.floor(y)) & (y <= trials)
        successes = np.where(possible, y, 0.0)
        out = np.minimum(eta, 0.0) * successes - np.maximum(eta, 0.0) * (trials - successes)
        out = out - trials * np.log1p(np.exp(-np.abs(eta)))
        return np.where(possible, out + _log_coefficient(successes, trials), -np.inf)

    def mean(self, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (1.0,)
        return np.asarray(trials * special.expit(eta))

    def variance(self, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (1.0,)
        return np.asarray(trials * special.expit(eta) * special.expit(-eta))

    def cdf(self, y: Array, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (1.0,)
        floor = np.floor(y)
        inside = np.clip(floor, 0.0, np.maximum(trials - 1.0, 0.0))
        # A distribution function of failures: of the probability that is told from 0.
        below = special.betainc(np.maximum(trials - inside, 1.0), inside + 1.0, special.expit(-eta))
        return np.where(floor < 0.0, 0.0, np.where(floor >= trials, 1.0, below))

    def quantile(self, level: Array, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (1.0,)
        return np.asarray(stats.binom.ppf(level, trials, special.expit(eta)))

    def sample(self, rng: np.random.Generator, eta: Array, *extra: Array) -> Array:
        (trials,) = extra or (1.0,)
        number = np.asarray(trials, dtype=np.int64)
        return rng.binomial(number, special.expit(eta)).astype(np.float64)

    def extra_priors(self, priors: Any) -> tuple[()]:
        return ()

    def pymc_distribution(self, eta: Any, *extra: Any) -> Any:
        import pymc as pm

        (trials,) = extra or (1,)
        return pm.Binomial.dist(n=trials, logit_p=eta)

    def working_response(self, y: Array, *columns: Array) -> Array:
        (trials,) = columns or (1.0,)
        return np.asarray(np.log(y + 0.5) - np.log(trials - y + 0.5))

    def reference_sums(self, y: Array, weights: Array, *columns: Array) -> Array:
        (m,) = columns or (np.ones(len(y)),)
        return np.stack([y, m, m * (m - 1.0), y * y, y * m, m * m]) @ weights

    def reference(self, y: Array, sums: Array, *columns: Array) -> Array:
        # Beta-binomial: a binomial distribution would be hopeless where successes spread more.
        (trials,) = columns or (np.ones(len(y)),)
        successes, total, pairs, yy, ym, mm = sums
        p = successes / total if total > 0.0 else 0.0
        if not 0.0 < p < 1.0:
            return np.zeros(len(y))
        squares = (yy - 2.0 * p * ym + p * p * mm) / (p * (1.0 - p))
        correlation = (squares - total) / pairs if pairs > 0.0 else 0.0
        if correlation <= LEAST_CORRELATION:
            return self.log_density(y, np.asarray(special.logit(p)), *columns)
        size = (1.0 - correlation) / correlation if correlation < 1.0 else LEAST_CORRELATION
        a, b = p * size, (1.0 - p) * size
        mixed = special.betaln(y + a, trials - y + b) - special.betaln(a, b)
        return np.asarray(mixed + _log_coefficient(y, trials))

    def start_extras(self, spread: Array, priors: Any) -> Array:
        return np.empty((len(spread), 0))


def _log_coefficient(y: Array, trials: Array) -> Array:
    """Logarithm of the number of ways to choose y of the trials."""
    return np.asarray(-np.log1p(trials) - special.betaln(y + 1.0, trials - y + 1.0))
