r"""Sweeps on the likelihood without labels, which serve weights that are powers of it.

Where the weight of a row is a fraction, its likelihood is a power of the mixture density, and no
label explains it.  Weights, and the line and extras of every component, are proposed in turn as
if rows had labels in proportion to their responsibilities: from

.. math::

    \mathrm{Dirichlet}\Big(c + \sum_i v_i r_{i1}, \dots, c + \sum_i v_i r_{iK}\Big)

and from a t distribution around a step of Fisher scoring for one component with rows of weights
v_i r_ik, or now and then from about its prior.  By Fisher's identity the gradient of that step is
that of the likelihood without labels.  What is accepted, with the responsibilities at both ends
(Hastings 1970), is exact.

References
----------
Hastings, W. K. (1970). Monte Carlo sampling methods using Markov chains and their applications.
Biometrika 57, 97-109.
"""

from __future__ import annotations

import math

import numpy as np

from ..._kernels.compile import compiled, part
from ..._kernels.prior_kernels import log_prior_of_component, prior_terms
from ..._kernels.stage_kernels import log_softmax
from ..._kernels.unit_kernels import number_of_units, share_units, unit_bounds
from ..._kernels.variate_kernels import _ONE, log_gamma_draw, mix, normal, uniform
from ..._kernels.vector_kernels import copy_to
from ..._model.raw import Raw
from ..._search.scoring_kernels import (
    all_log_densities,
    component_terms,
    coordinates_of,
    set_coordinates,
)
from .metropolis_kernels import keep_state, log_density_by_scoring, propose_by_scoring
from .sweep_kernels import _sweep_key

# A component whose rows weigh less in all holds none.
LEAST_WEIGHT = 0.5
# How often a component is proposed from about its prior, which one that stands empty follows.
PRIOR_SHARE = 0.3
# Nats beyond the walls of a scale's prior, where its density is e^-10 and less.
BEYOND = 1.5


@part
def _counts(observations, shares, concentration, counts):
    """Dirichlet parameters that shares of rows amount to."""
    for k in range(shares.shape[0]):
        counts[k] = concentration
        for u in range(number_of_units(observations.units, shares.shape[1])):
            start, _ = unit_bounds(observations.units, u)
            counts[k] += shares[k, start]


@part
def _log_dirichlet(counts, log_weights):
    """Log density of the contrasts of the logs, up to a constant."""
    out, total = 0.0, 0.0
    for k in range(counts.shape[0]):
        out += counts[k] * log_weights[k] - math.lgamma(counts[k])
        total += counts[k]
    return out + math.lgamma(total)


@part
def _from_prior(priors, fit_intercept, current, proposed, state):
    """Draw from about the prior; log density at ``current`` over that at ``proposed``."""
    ratio = 0.0
    for i in range(priors.shape[0]):
        if i == 0 and not fit_intercept:
            proposed[i] = 0.0
        elif priors[i, 0] == 0.0:
            proposed[i] = priors[i, 1] * normal(state)
            ratio += prior_terms(priors[i], current[i])[0]
            ratio -= prior_terms(priors[i], proposed[i])[0]
        else:
            low = math.log(priors[i, 1]) - BEYOND
            high = math.log(priors[i, 2]) + BEYOND
            proposed[i] = low + (high - low) * uniform(state)
            if not low <= current[i] <= high:
                ratio = -np.inf
    return ratio


@compiled
def marginal_sweeps(
    observations, raw, settings, concentration, priors, fit_intercept, chain_key, first_sweep,
    n_keep, thin,
):  # fmt: skip
    """Run ``n_keep * thin`` sweeps in place and keep every ``thin``-th state.

    Parameters and results are those of `metropolis_sweeps`; components that hold a row are those
    whose rows weigh `LEAST_WEIGHT` at least.
    """
    n = observations.target.shape[0]
    K, P = raw.line.shape
    E = raw.extra.shape[1]
    D = P + E
    densities, proposed_densities = np.empty((K, n)), np.empty((1, n))
    kept_densities = np.empty(n)
    shares, proposed_shares = np.empty((K, n)), np.empty((K, n))
    counts, proposed_counts = np.empty(K), np.empty(K)
    log_weights, proposed_weights = np.empty(K), np.empty(K)
    theta, proposed, centre = np.empty(D), np.empty(D), np.empty(D)
    score, information = np.empty(D), np.empty((D, D))
    one = Raw(np.zeros((1, 1)), np.empty((1, P)), np.empty((1, E)))
    state = np.empty(1, dtype=np.uint64)
    out = np.empty((n_keep, K * (1 + P + E) + 2))
    log_softmax(raw.logits[:, 0], log_weights)
    all_log_densities(observations, raw, settings, None, densities)
    value = share_units(observations, log_weights, densities, 1.0, shares)
    moved = 0
    for t in range(n_keep * thin):
        state[0] = mix(_sweep_key(chain_key, first_sweep + t) + _ONE)
        _counts(observations, shares, concentration, counts)
        for k in range(K):
            proposed_weights[k] = log_gamma_draw(counts[k], state)
        log_softmax(proposed_weights, proposed_weights)
        proposed_value = share_units(
            observations, proposed_weights, densities, 1.0, proposed_shares
        )
        _counts(observations, proposed_shares, concentration, proposed_counts)
        ratio = proposed_value - value
        for k in range(K):
            ratio += concentration * (proposed_weights[k] - log_weights[k])
        ratio += _log_dirichlet(proposed_counts, log_weights)
        ratio -= _log_dirichlet(counts, proposed_weights)
        if math.log(uniform(state)) < ratio:
            copy_to(proposed_weights, log_weights)
            shares, proposed_shares = proposed_shares, shares
            value = proposed_value
        for k in range(K):
            coordinates_of(raw, k, theta)
            prior = log_prior_of_component(priors, raw.line[k], raw.extra[k], fit_intercept)
            by_scoring = uniform(state) >= PRIOR_SHARE
            if by_scoring:
                component_terms(
                    observations, shares[k], n, theta, priors, fit_intercept, settings, score,
                    information,
                )  # fmt: skip
                ratio = -propose_by_scoring(
                    theta, score, information, fit_intercept, centre, proposed, state
                )
            else:
                ratio = _from_prior(priors, fit_intercept, theta, proposed, state)
            set_coordinates(proposed, one, 0)
            all_log_densities(observations, one, settings, None, proposed_densities)
            copy_to(densities[k], kept_densities)
            copy_to(proposed_densities[0], densities[k])
            proposed_value = share_units(observations, log_weights, densities, 1.0, proposed_shares)
            proposed_prior = log_prior_of_component(
                priors, one.line[0], one.extra[0], fit_intercept
            )
            if by_scoring:
                component_terms(
                    observations, proposed_shares[k], n, proposed, priors, fit_intercept,
                    settings, score, information,
                )  # fmt: skip
                ratio += log_density_by_scoring(
                    proposed, theta, score, information, fit_intercept, centre
                )
            ratio += proposed_value + proposed_prior - value - prior
            # Not a number where the proposal lies outside the range of numbers: stay.
            if math.log(uniform(state)) < ratio:
                set_coordinates(proposed, raw, k)
                shares, proposed_shares = proposed_shares, shares
                value = proposed_value
                moved += 1
            else:
                copy_to(kept_densities, densities[k])
        if (t + 1) % thin == 0:
            _counts(observations, shares, 0.0, counts)
            row = out[t // thin]
            copy_to(log_weights, raw.logits[:, 0])
            keep_state(raw, row)
            filled = 0
            for k in range(K):
                filled += counts[k] >= LEAST_WEIGHT
            row[-2], row[-1] = filled, moved
            moved = 0
    copy_to(log_weights, raw.logits[:, 0])
    return out
