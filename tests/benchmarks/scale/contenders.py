"""Who is measured: our solvers, and programs a user could take instead.

``CONTENDERS`` maps a name to a function that imports what the contender needs and returns its fit,
``fit(X, y, state)``, which returns an ``Answer``.  Peers start as their documentation starts them,
with their defaults, but for rows named "from the truth".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .judgement import MOST_RHAT

Fit = Callable[[np.ndarray, np.ndarray, int], "Answer"]


class Answer(NamedTuple):
    """What a fit says.

    Attributes
    ----------
    slopes : list of float
        Of the components, in ascending order; posterior means where there are draws.
    converged : bool or None
        What the program itself says; None where it says nothing.
    said : str
        In its own terms.
    draws : ndarray of shape (chains, draws, 2) or None
        Of the slopes, sorted in every draw.
    """

    slopes: list[float]
    converged: bool | None
    said: str
    draws: np.ndarray | None = None


def sorted_mean(draws: np.ndarray) -> list[float]:
    """Mean slopes of draws (chains, draws, K), which must be sorted."""
    return draws.reshape(-1, draws.shape[-1]).mean(axis=0).tolist()


def effective_draws(draws: np.ndarray) -> float:
    """Smaller bulk ESS of the slopes."""
    import arviz as az

    return float(min(az.ess(draws[..., k], method="bulk") for k in range(draws.shape[-1])))


def largest_rhat(draws: np.ndarray) -> float:
    """Larger R-hat of the slopes, as they came."""
    import arviz as az

    return float(max(az.rhat(draws[..., k]) for k in range(draws.shape[-1])))


def ours(solver: str, **options: Any) -> Fit:
    """Default fit of this package with a solver of the table."""
    from skmixreg import BayesianMixtureRegressor
    from skmixreg.solvers import SOLVERS

    def fit(X: np.ndarray, y: np.ndarray, state: int) -> Answer:
        model = BayesianMixtureRegressor(2, solver=SOLVERS[solver](**options), random_state=state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converged_ says the same
            model.fit(X, y)
        draws = np.sort(model.posterior_["coef"][..., 0], axis=-1)
        said = f"converged_ {bool(model.converged_)}"
        # One point is no sample, and the variational draws are of the approximation.
        return Answer(
            sorted(np.ravel(model.coef_).tolist()),
            bool(model.converged_),
            said,
            draws if draws.shape[0] * draws.shape[1] > 1 else None,
        )

    return fit


def sampled(draws: np.ndarray) -> Answer:
    """Answer of a program that leaves it to its user to look at R-hat."""
    rhat, ordered = largest_rhat(draws), np.sort(draws, axis=-1)
    after = largest_rhat(ordered)
    said = f"R-hat {rhat:.2f}, {after:.2f} after sorting"
    return Answer(sorted_mean(ordered), after < MOST_RHAT, said, ordered)


AT_TRUTH = {"slope": np.array([3.0, -1.0]), "sigma": np.array([0.1, 0.1])}


def hand_written_pymc(**options: Any) -> Fit:
    """PyMC's NUTS on the model as a user writes it."""
    import pymc as pm

    from ..comparison import hand_written

    def fit(X: np.ndarray, y: np.ndarray, state: int) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with hand_written(X[:, 0], y, ordered=False):
                tree = pm.sample(
                    nuts_sampler="pymc", random_seed=state, progressbar=False, **options
                )
        return sampled(tree.posterior["slope"].to_numpy())

    return fit


def hand_written_nutpie(from_truth: bool = False, **options: Any) -> Fit:
    """Nutpie on the same model."""
    import nutpie

    from ..comparison import hand_written

    def fit(X: np.ndarray, y: np.ndarray, state: int) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = hand_written(X[:, 0], y, ordered=False)
            start = {"initial_points": AT_TRUTH, "jitter_rvs": set()} if from_truth else {}
            compiled = nutpie.compile_pymc_model(model, **start)
            tree = nutpie.sample(compiled, seed=state, progress_bar=False, **options)
        return sampled(tree.posterior["slope"].to_numpy())

    return fit


def hand_written_numpyro() -> Fit:
    """NumPyro's NUTS on the same model, on the processor, 4 chains."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    numpyro.set_platform("cpu")
    numpyro.set_host_device_count(4)

    def model(x: Any, y: Any) -> None:
        weights = numpyro.sample("weights", dist.Dirichlet(np.ones(2)))
        intercept = numpyro.sample("intercept", dist.Normal(0.0, 2.5).expand([2]))
        slope = numpyro.sample("slope", dist.Normal(0.0, 2.5).expand([2]))
        sigma = numpyro.sample("sigma", dist.HalfNormal(1.0).expand([2]))
        lines = dist.Normal(intercept + x[:, None] * slope, sigma)
        numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(probs=weights), lines), obs=y)

    def fit(X: np.ndarray, y: np.ndarray, state: int) -> Answer:
        sampler = MCMC(
            NUTS(model), num_warmup=1000, num_samples=1000, num_chains=4, progress_bar=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler.run(jax.random.key(state), X[:, 0], y)
            draws = np.asarray(sampler.get_samples(group_by_chain=True)["slope"], dtype=float)
        return sampled(draws)

    return fit


def joint_normal_mixture() -> Fit:
    """scikit-learn's variational mixture of normals on (x, y); slopes from the covariances."""
    from sklearn.mixture import BayesianGaussianMixture

    def fit(X: np.ndarray, y: np.ndarray, state: int) -> Answer:
        mixture = BayesianGaussianMixture(n_components=2, random_state=state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converged_ says the same
            mixture.fit(np.column_stack([X[:, 0], y]))
        slopes = mixture.covariances_[:, 0, 1] / mixture.covariances_[:, 0, 0]
        said = f"converged_ {bool(mixture.converged_)}"
        return Answer(sorted(slopes.tolist()), bool(mixture.converged_), said)

    return fit


SHORT = {"draws": 500, "tune": 500, "chains": 2}

OURS: dict[str, Callable[[], Fit]] = {
    "auto": partial(ours, "auto"),
    "laplace": partial(ours, "laplace"),
    "gibbs": partial(ours, "gibbs"),
    "nuts": partial(ours, "nuts"),
    "nuts, nutpie": partial(ours, "nuts", sampler="nutpie"),
    "nuts, numpyro": partial(ours, "nuts", sampler="numpyro"),
    "smc": partial(ours, "smc"),
    "map": partial(ours, "map"),
    "cavi": partial(ours, "cavi"),
    "advi": partial(ours, "advi"),
    "fullrank_advi": partial(ours, "fullrank_advi"),
}
PEERS: dict[str, Callable[[], Fit]] = {
    "PyMC": hand_written_pymc,
    "nutpie": hand_written_nutpie,
    "NumPyro": hand_written_numpyro,
    "PyMC, from the truth": partial(
        hand_written_pymc, init="adapt_diag", initvals=AT_TRUTH, cores=2, **SHORT
    ),
    "nutpie, from the truth": partial(hand_written_nutpie, from_truth=True, **SHORT),
    "BayesianGaussianMixture": joint_normal_mixture,
}
# Run by peers.R.
IN_R = ("flexmix", "initFlexmix + refit", "regmixEM")
CONTENDERS = {**OURS, **PEERS}
