"""Expectation-maximisation for any family, compiled: maximisation by steps of Fisher scoring.

Rows enter a component's log likelihood with their responsibilities as weights.  A step that would
lower a component's part of the expected log posterior is halved, so that the log posterior never
falls (generalised EM, Dempster, Laird and Rubin 1977).
"""

from __future__ import annotations

import math

import numpy as np

from .._kernels.compile import compiled, part
from .._kernels.prior_kernels import log_prior_of_component
from .._kernels.unit_kernels import share_units
from .._kernels.vector_kernels import copy_to
from .scoring_kernels import (
    all_log_densities,
    component_terms,
    coordinates_of,
    log_shares,
    number_of_labels,
    scoring_step,
    set_coordinates,
)

# Steps of scoring per iteration: the second costs less than the iteration that it saves.
STEPS = 2
MOST_HALVINGS = 10


@compiled
def scoring_log_prior(raw, concentration, priors, fit_intercept):
    """Log prior up to a constant."""
    K, P = raw.line.shape
    own = priors.shape[0] - P
    log_weights = np.empty(K)
    log_shares(raw, None, log_weights)
    out = 0.0
    for k in range(K):
        out += concentration * log_weights[k]
        out += log_prior_of_component(priors, raw.line[k], raw.extra[k, :own], fit_intercept)
    if raw.extra.shape[1] > own:  # log odds of a background
        t = raw.extra[0, own]
        out += concentration * (t - 2.0 * math.log1p(math.exp(t)))
    return out


@part(allocates=True)
def _climb(observations, r, theta, priors, fit_intercept, settings):
    """Steps of scoring of one component at known responsibilities, in place."""
    n, D = observations.target.shape[0], theta.shape[0]
    score, information = np.empty(D), np.empty((D, D))
    centre, start = np.empty(D), np.empty(D)
    here = component_terms(
        observations, r, n, theta, priors, fit_intercept, settings, score, information
    )
    for _ in range(STEPS):
        scoring_step(theta, score, information, fit_intercept, centre)
        copy_to(theta, start)
        gained = False
        for _ in range(MOST_HALVINGS):
            there = component_terms(
                observations, r, n, centre, priors, fit_intercept, settings, score, information
            )
            if there >= here:
                gained = True
                break
            for i in range(D):
                centre[i] = 0.5 * (centre[i] + start[i])
        if not gained:
            return
        copy_to(centre, theta)
        here = there


@compiled
def run_scoring_em(
    observations, raw, settings, background, concentration, priors, fit_intercept, n_iterations,
    tolerance, power_from, anneal_iterations,
):  # fmt: skip
    """Iterate from the given parameters, in place.

    Parameters
    ----------
    observations : Observations
    raw : Raw
        Changed in place; weights do not depend on columns.
    settings : NamedTuple
        Of the family.
    background : ndarray of shape (n,) or None
        Log densities of a background, whose log odds are the last extra.
    concentration : float
    priors : ndarray of shape (P + E, 3)
        Of intercept, slopes and extras that components do not share: `BlockPrior.row`.
    fit_intercept : bool
    n_iterations : int
    tolerance : float
        Stop when an iteration gains less, in nats.
    power_from : float
        Power of the likelihood in the first iteration; it rises geometrically to 1 over
        ``anneal_iterations`` iterations.  1 for none.
    anneal_iterations : int

    Returns
    -------
    objective : float
        Log posterior up to a constant, at the last expectation.
    iterations : int
    """
    n = observations.target.shape[0]
    K, D = raw.line.shape[0], priors.shape[0]
    labels = number_of_labels(raw, background)
    densities, responsibilities = np.empty((labels, n)), np.empty((labels, n))
    theta, log_weights, counts = np.empty(D), np.empty(labels), np.empty(labels)
    previous, objective, done = -np.inf, -np.inf, 0
    for iteration in range(n_iterations):
        annealing = power_from < 1.0 and iteration < anneal_iterations
        power = 1.0
        if annealing:
            power = math.exp((1.0 - iteration / anneal_iterations) * math.log(power_from))
        all_log_densities(observations, raw, settings, background, densities)
        log_shares(raw, background, log_weights)
        objective = share_units(observations, log_weights, densities, power, responsibilities)
        objective += scoring_log_prior(raw, concentration, priors, fit_intercept)
        done = iteration + 1
        if not annealing and objective - previous < tolerance:
            break
        previous = objective if not annealing else -np.inf
        for k in range(labels):
            counts[k] = responsibilities[k].sum()
        total = counts[:K].sum()
        for k in range(K):
            share = (counts[k] + concentration) / (total + K * concentration)
            raw.logits[k, 0] = math.log(share)
            coordinates_of(raw, k, theta)
            _climb(observations, responsibilities[k], theta, priors, fit_intercept, settings)
            set_coordinates(theta, raw, k)
        if background is not None:
            odds = math.log((counts[K] + concentration) / (total + concentration))
            for k in range(K):
                raw.extra[k, raw.extra.shape[1] - 1] = odds
    return objective, done
