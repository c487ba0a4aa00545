"""Long runs of the plain PyMC model on the reference data, from starts of its own.

    python tests/benchmarks/long_nuts.py [tonedata-2 npreg_yn-2 ...] [--smc]

The oracle for `tests/test_agreement.py`: nutpie samples `build_model(problem, "plain")`, so neither
our kernels nor our samplers take part, and chains start in draws from the prior, so neither does
our search for modes.  Modes enter afterwards, to give draws the package's labels.

A chain that ends in a poor local mode stays there.  Chains whose log posterior is separated from
that of the best chain (no overlap of the central 98%, and a mean more than `POOR` nats lower) are
dropped, and the results say how many and how low.  Tone perception with two components has two
modes that both carry mass: chains are told apart by the mode they stay in, and how much mass each
holds is measured twice: by bridge sampling from these chains, and by many-particle SMC of the same
PyMC model (``--smc``), whose runs are independent repetitions; it can be stopped after any of them.

Results go to tests/reference/long_runs/long_nuts.json; cases that are not asked for stay as they
are.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
from numpy.typing import NDArray
from scipy import stats

from skmixreg import Priors
from skmixreg._draws.draws import Draws
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._model.raw import Raw
from skmixreg._posterior.posterior import Posterior
from skmixreg._pymc.coordinates import log_jacobian, value_map
from skmixreg._pymc.model import build_model
from skmixreg._search.search import find_modes
from skmixreg.families import Gaussian

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import REFERENCE, load_reference

RESULTS = REFERENCE / "long_runs" / "long_nuts.json"
NAMES = ("weights", "intercept", "coef", "sigma")
CASES = {
    "tonedata-1": ("tonedata", 1),
    "tonedata-2": ("tonedata", 2),
    "nodata_no_on_eq-2": ("nodata_no_on_eq", 2),
    "s2_heterosced-2": ("s2_heterosced", 2),
    "npreg_yn-2": ("npreg_yn", 2),
}
TWO_MODES = "tonedata-2"
NUTS = {"chains": 12, "tune": 2000, "draws": 5000, "target_accept": 0.9, "seed": 20_240}
NUTS_TWO_MODES = NUTS | {"chains": 24, "target_accept": 0.95}
SMC = {"chains": 8, "draws": 40_000, "threshold": 0.7, "steps": 40, "seed": 20_241}
POOR = 5.0
# The smaller sigma of the two modes of TWO_MODES is 0.0045 and 0.047; few draws lie between.
NARROW = 0.012
# Upper ends of ranges of the smaller sigma that have a covariance of their own in SMC.
PLACES = np.array([0.006, NARROW, 0.024, 0.05, 0.1, np.inf])

Array = NDArray[np.float64]
_compiled: dict[tuple[int, int], Any] = {}


def case(key: str) -> tuple[Problem, Array, Array]:
    """Problem and rows of one case, default priors."""
    name, K = CASES[key]
    data = load_reference(name)
    X, y = data.X.to_numpy(float), data.y.to_numpy(float)
    problem = Problem.from_arrays(
        X, y, family=Gaussian(), n_components=K, priors=Priors().resolve(), fit_intercept=True
    )
    return problem, X, y


def sample_nutpie(problem: Problem, X: Array, y: Array, options: dict[str, Any]) -> Any:
    """The DataTree of a run; one compilation per number of columns and components."""
    import nutpie

    shape = (X.shape[1], problem.layout.n_components)
    design = problem.design
    if shape not in _compiled:
        model = build_model(problem, "plain", rows=(X, y, None))
        _compiled[shape] = nutpie.compile_pymc_model(model, default_initialization_strategy="prior")
    compiled = _compiled[shape].with_data(
        X=X,
        y_observed=y,
        x_mean=design.x_mean,
        x_scale=design.x_scale,
        y_mean=np.float64(design.y_mean),
        y_scale=np.float64(design.y_scale),
        **({} if design.x_map is None else {"x_map": design.x_map}),
    )
    return nutpie.sample(compiled, cores=2, progress_bar=False, save_warmup=False, **options)


def to_theta(problem: Problem, posterior: Any) -> Array:
    """Our unconstrained vector, (chains, draws, d), from the model's own variables."""
    coef = posterior["coef_std"].to_numpy()
    lead = coef.shape[:2]
    return problem.layout.collapse(
        Raw.of(
            np.log(posterior["weights"].to_numpy().reshape(*lead, -1)),
            posterior["intercept_std"].to_numpy(),
            coef,
            posterior["log_sigma_std"].to_numpy(),
        )
    )


def aligned(problem: Problem, theta: Array) -> Posterior:
    """Draws with the package's labels and in the user's units."""
    density = LogPosterior(problem)
    prior, likelihood = density.values(theta.reshape(-1, theta.shape[-1]))
    shape = theta.shape[:2]
    modes = find_modes(problem, np.random.default_rng(0), n_init=40)
    draws = Draws(
        theta=theta,
        log_prior=prior.reshape(shape),
        log_likelihood=likelihood.reshape(shape),
        solver="long nuts",
    )
    return Posterior.from_draws(problem, modes, draws)


def poor_chains(log_posterior: Array) -> NDArray[np.bool_]:
    """Chains stuck in a poor local mode."""
    mean = log_posterior.mean(axis=1)
    low, high = np.quantile(log_posterior, [0.01, 0.99], axis=1)
    best = int(np.argmax(mean))
    return (mean < mean[best] - POOR) & (high < low[best])


def moments(values: Array) -> dict[str, Any]:
    """Mean, sd and their errors over chains: (chains, draws, ...)."""
    flat = values.reshape(*values.shape[:2], -1)
    columns = [flat[..., j] for j in range(flat.shape[-1])]
    constant = [np.ptp(column) == 0.0 for column in columns]

    def each(statistic: Any) -> Any:
        found = [
            float("nan") if fixed else float(statistic(column))
            for column, fixed in zip(columns, constant, strict=True)
        ]
        shaped = np.array(found).reshape(values.shape[2:])
        return [None if np.isnan(v) else v for v in shaped] if shaped.ndim == 1 else shaped.tolist()

    return {
        "mean": values.mean(axis=(0, 1)).tolist(),
        "sd": values.std(axis=(0, 1), ddof=1).tolist(),
        "mcse_mean": each(lambda v: az.mcse(v, method="mean")),
        "mcse_sd": each(lambda v: az.mcse(v, method="sd")),
        "ess_bulk": each(lambda v: az.ess(v, method="bulk")),
        "ess_tail": each(lambda v: az.ess(v, method="tail", prob=(0.05, 0.95))),
        "rhat": each(lambda v: az.rhat(v)),
    }


def log_mass(problem: Problem, posterior: Posterior, kept: NDArray[np.bool_], mode: str) -> float:
    """Log mass of a mode of `TWO_MODES` in one labelling, by bridge sampling (Meng and Wong 1996).

    From the draws of the chains that stay there, and a t distribution fitted to half of them.
    """
    rng = np.random.default_rng(0)
    density, layout = LogPosterior(problem), problem.layout
    theta = layout.collapse(Raw(*(part[kept] for part in posterior.components)))
    theta = rng.permutation(theta.reshape(-1, layout.size))
    fitted, rest = np.array_split(theta, 2)
    proposal = stats.multivariate_t(fitted.mean(axis=0), np.cov(fitted.T), df=8.0, seed=rng)
    proposed = proposal.rvs(len(rest))

    def log_target(points: Array) -> Array:
        parts = layout.expand(points)
        tightest = np.exp(parts.extra[..., 0].min(axis=-1)) * problem.design.y_scale
        inside = ((tightest < NARROW) == (mode == "narrow")) & (
            parts.coef[:, 0, 0] < parts.coef[:, 1, 0]
        )
        with np.errstate(all="ignore"):
            return np.where(inside, sum(density.values(points)), -np.inf)

    ratio = log_target(rest) - proposal.logpdf(rest)
    ratio_proposed = log_target(proposed) - proposal.logpdf(proposed)
    found = float(np.median(ratio))
    for _ in range(100):
        above = np.exp(-np.logaddexp(0.0, found - ratio_proposed)).mean()
        below = np.exp(-np.logaddexp(0.0, ratio - found)).mean()
        found += float(np.log(above / below))
    return found


def nuts_run(key: str) -> dict[str, Any]:
    """One case by NUTS: per mode for `TWO_MODES`."""
    problem, X, y = case(key)
    options = NUTS_TWO_MODES if key == TWO_MODES else NUTS
    started = time.perf_counter()
    tree = sample_nutpie(problem, X, y, options)
    seconds = time.perf_counter() - started
    posterior = aligned(problem, to_theta(problem, tree["posterior"]))
    values = {name: posterior[name] for name in NAMES}
    log_posterior = posterior["log_prior"] + posterior["log_likelihood"]
    poor = poor_chains(log_posterior)
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    smaller = values["sigma"].min(axis=-1)
    record: dict[str, Any] = {
        "data": CASES[key][0],
        "n_components": CASES[key][1],
        "settings": {**options, "starts": "prior", "sampler": "nutpie"},
        "seconds": round(seconds, 1),
        "chains_dropped": int(poor.sum()),
        "dropped_log_posterior": np.sort(log_posterior[poor].mean(axis=1)).tolist(),
        "kept_log_posterior": np.sort(log_posterior[~poor].mean(axis=1)).tolist(),
        "divergences": int(diverging[~poor].sum()),
        "ambiguous_share": posterior.ambiguous_share,
    }
    if key != TWO_MODES:
        values = {name: value[~poor] for name, value in values.items()}
        log_likelihood = posterior["log_likelihood"][~poor]
        record["parameters"] = {name: moments(value) for name, value in values.items()}
        record["log_likelihood"] = moments(log_likelihood)
        return record
    record["modes"], log_masses = {}, []
    narrow = (smaller < NARROW).mean(axis=1)
    record["narrow_share_of_chains"] = np.sort(narrow).round(4).tolist()
    for mode, stays in (("narrow", narrow == 1.0), ("common", narrow == 0.0)):
        kept = ~poor & stays
        record["modes"][mode] = {
            "chains": int(kept.sum()),
            "parameters": {name: moments(value[kept]) for name, value in values.items()}
            if kept.sum() > 1
            else None,
        }
        log_masses.append(log_mass(problem, posterior, kept, mode))
    record["bridge_narrow_mass"] = float(1.0 / (1.0 + np.exp(log_masses[1] - log_masses[0])))
    record["bridge_log_evidence"] = float(
        np.logaddexp(*log_masses) + np.log(2.0) - problem.log_scale
    )
    return record


class Walks(pm.smc.kernels.MH):
    """Random walks for SMC around several separate points, many particles at once.

    PyMC's kernels learn one covariance from all particles, with which those in the narrow mode
    hardly move: 20,000 particles of its MH kernel lost it.  Here particles are told apart by which
    component is the tighter one and how tight, and each such place has its own covariance;
    Metropolis and Hastings' ratio corrects steps from one to another.  Every third step uses the
    common one.  Densities of proposals come from the compiled kernels, which the parity test holds
    to the model; the first and the last population are checked against the model's own here.
    """

    def __init__(self, *args: Any, problem: Problem, steps: int, **options: Any):
        super().__init__(*args, **options)
        self.steps = steps
        self.problem = problem
        self.density = LogPosterior(problem)
        self.map = value_map(problem.layout)
        self.shift = log_jacobian(problem.layout)

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        """Log prior and log likelihood of the model at its value variables (S, d)."""
        with np.errstate(all="ignore"):
            prior, likelihood = self.density.values(points @ self.map.T)
        return prior + self.shift, likelihood - self.problem.log_scale

    def place(self, points: Array) -> NDArray[np.intp]:
        """Which component is the tighter one, and how tight it is: (S,)."""
        sigma = points[:, self.problem.layout.table["sigma"].where]
        tightness = np.exp(sigma.min(axis=1)) * self.problem.design.y_scale
        return len(PLACES) * sigma.argmin(axis=1) + np.searchsorted(PLACES[:-1], tightness)

    def check_densities(self) -> None:
        """The kernels' densities of some particles are the model's."""
        some = slice(None, None, max(1, self.draws // 100))
        prior, likelihood = self.evaluate(self.tempered_posterior[some])
        for ours, function in (
            (prior, self.prior_logp_func),
            (likelihood, self.likelihood_logp_func),
        ):
            theirs = [float(function(point)) for point in self.tempered_posterior[some]]
            np.testing.assert_allclose(ours, theirs, rtol=1e-8)

    def tune(self) -> None:
        place = self.place(self.tempered_posterior)
        d = self.tempered_posterior.shape[1]
        common = np.linalg.cholesky(np.cov(self.tempered_posterior.T) + 1e-10 * np.eye(d))
        self.roots = np.stack([common] * (2 * len(PLACES) + 1))
        for k in range(2 * len(PLACES)):
            if (place == k).sum() > 10 * d:
                cov = np.cov(self.tempered_posterior[place == k].T)
                self.roots[k] = np.linalg.cholesky(cov + 1e-10 * np.eye(d))
        self.inverses = np.linalg.inv(self.roots)
        self.log_volumes = np.log(np.diagonal(self.roots, axis1=1, axis2=2)).sum(axis=1)

    def mutate(self) -> None:
        if self.iteration == 1 or self.beta == 1.0:
            self.check_densities()
        n, d = self.tempered_posterior.shape
        accepted_share = []
        # Modes form while the likelihood is still weak: there particles must travel.
        steps = self.steps if self.beta < 0.5 else self.steps // 4
        for step in range(steps):
            unit = self.rng.standard_normal((n, d))
            # Scales from a hundredth of the best one for a normal distribution to twice that.
            scale = 2.38 / np.sqrt(d) * 10 ** self.rng.uniform(-2.0, 0.3, (n, 1))
            last = np.full(n, len(self.roots) - 1)
            place = last if step % 3 == 0 else self.place(self.tempered_posterior)
            move = np.einsum("nij,nj->ni", self.roots[place], unit)
            proposal = self.tempered_posterior + scale * move
            there = last if step % 3 == 0 else self.place(proposal)
            back = np.einsum("nij,nj->ni", self.inverses[there], move)
            hastings = 0.5 * ((unit**2).sum(axis=1) - (back**2).sum(axis=1))
            hastings += self.log_volumes[place] - self.log_volumes[there]
            prior, likelihood = self.evaluate(proposal)
            target = prior + self.beta * likelihood
            gain = target - self.tempered_posterior_logp + hastings
            accepted = np.log(self.rng.random(n)) < gain
            self.tempered_posterior[accepted] = proposal[accepted]
            self.prior_logp[accepted] = prior[accepted]
            self.likelihood_logp[accepted] = likelihood[accepted]
            self.tempered_posterior_logp[accepted] = target[accepted]
            accepted_share.append(accepted)
        self.n_steps = steps
        self.chain_acc_rate = np.mean(accepted_share, axis=0)


def smc_chain(problem: Problem, X: Array, y: Array, seed: int) -> tuple[Array, float]:
    """Particles (1, draws, d) and log evidence of one run of SMC."""
    with build_model(problem, "plain", rows=(X, y, None)):
        tree = pm.sample_smc(
            draws=SMC["draws"],
            kernel=Walks,
            threshold=SMC["threshold"],
            steps=SMC["steps"],
            problem=problem,
            chains=1,
            cores=1,
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
        )
    stages = np.ravel(tree["sample_stats"]["log_marginal_likelihood"].to_numpy())
    stages = np.concatenate([np.ravel(np.asarray(stage, dtype=float)) for stage in stages])
    return to_theta(problem, tree["posterior"]), float(stages[np.isfinite(stages)][-1])


def smc_run(key: str) -> Iterator[dict[str, Any]]:
    """Masses of the two modes, and their moments, by SMC; the record after every run."""
    problem, X, y = case(key)
    chains, evidence = [], []
    started = time.perf_counter()
    for chain in range(SMC["chains"]):
        theta, log_evidence = smc_chain(problem, X, y, SMC["seed"] + chain)
        chains.append(theta)
        evidence.append(log_evidence)
        posterior = aligned(problem, np.concatenate(chains))
        narrow = posterior["sigma"].min(axis=-1) < NARROW
        shares = narrow.mean(axis=1)
        # A run estimates Z times any expectation without bias: runs are averaged by their Z.
        weight = np.exp(np.array(evidence) - max(evidence))
        weight /= weight.sum()
        mass = float(weight @ shares)
        yield {
            "settings": {**SMC, "kernel": "Walks", "chains": chain + 1},
            "seconds": round(time.perf_counter() - started, 1),
            "narrow_share_by_run": shares.round(4).tolist(),
            "log_evidence_by_run": np.round(evidence, 3).tolist(),
            "masses": {"narrow": mass, "common": 1.0 - mass},
            "standard_error": float(np.sqrt((weight**2 * (shares - mass) ** 2).sum())),
            "unweighted_narrow_mass": float(shares.mean()),
            "distinct_particles": [len(np.unique(chain[0, :, -1])) for chain in chains],
        }


def versions() -> dict[str, str]:
    """What made these numbers."""
    import nutpie
    import pytensor

    packages = {module.__name__: module.__version__ for module in (np, pm, pytensor, az, nutpie)}
    return {"python": platform.python_version(), **packages}


def save(key: str, kind: str, record: dict[str, Any]) -> None:
    """Write one record beside those that are there, and print its short entries."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["versions"] = versions()
    results.setdefault(key, {})[kind] = record
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    brief = {name: value for name, value in record.items() if name not in ("parameters", "modes")}
    print(key, kind, json.dumps(brief), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--smc", action="store_true", help=f"the masses of {TWO_MODES} only")
    options = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    runs = [("smc", TWO_MODES)] if options.smc else [("nuts", name) for name in options.names]
    for kind, key in runs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for record in smc_run(key) if kind == "smc" else [nuts_run(key)]:
                save(key, kind, record)


if __name__ == "__main__":
    main()
