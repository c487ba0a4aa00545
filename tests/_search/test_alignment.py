"""Labels of components."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import random_components

from skmixreg._model.layout import Layout
from skmixreg._model.raw import Raw
from skmixreg._search.alignment import (
    Pivot,
    best_orders,
    component_order,
    coordinates,
    permuted_scale,
)

sizes = st.tuples(
    st.integers(1, 8), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 10_000)
)


def random_pivot(layout: Layout, rng: np.random.Generator) -> Pivot:
    d = layout.size
    theta = layout.collapse(random_components(rng, layout.n_components, layout.n_features))
    return Pivot.from_mode(layout, theta, np.tril(rng.normal(0, 0.3, (d, d))) + 0.2 * np.eye(d))


def case(size: tuple[int, int, bool, bool, int]) -> tuple[Layout, Pivot, Raw]:
    K, p, fit_intercept, shared, seed = size
    rng = np.random.default_rng(seed)
    layout = Layout(K, p, fit_intercept, shared_extras=("sigma",) if shared else ())
    pivot = random_pivot(layout, rng)
    draws = layout.expand(layout.collapse(random_components(rng, K, p, 7)))
    return layout, pivot, draws


def assert_same(a: Raw, b: Raw) -> None:
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


@settings(max_examples=60, deadline=None)
@given(sizes)
def test_labels_of_the_input_do_not_matter(size):
    _, pivot, draws = case(size)
    rng = np.random.default_rng(size[-1] + 1)
    shuffled = draws.permuted(np.argsort(rng.random(draws.log_weights.shape), axis=1))
    aligned = draws.permuted(pivot.align(draws)[0])
    again = shuffled.permuted(pivot.align(shuffled)[0])
    assert_same(aligned, again)
    np.testing.assert_allclose(pivot.align(shuffled)[1], pivot.align(draws)[1])


@settings(max_examples=60, deadline=None)
@given(sizes)
def test_idempotent(size):
    _, pivot, draws = case(size)
    aligned = draws.permuted(pivot.align(draws)[0])
    assert_same(aligned, aligned.permuted(pivot.align(aligned)[0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 1000))
def test_components_that_labels_name_keep_their_place(K, named, seed):
    rng = np.random.default_rng(seed)
    fixed = tuple(range(min(named, K)))
    layout = Layout(K, 2, fixed_labels=fixed)
    pivot = random_pivot(layout, rng)
    draws = layout.expand(layout.collapse(random_components(rng, K, 2, 7)))
    orders, _ = pivot.align(draws)
    np.testing.assert_array_equal(orders[:, list(fixed)], np.tile(fixed, (7, 1)))
    # Of the others it is the best order still.
    cost = pivot.cost(coordinates(layout, draws))
    for s, order in enumerate(orders):
        rest = range(len(fixed), K)
        totals = [sum(cost[s, list(other), list(rest)]) for other in permutations(rest)]
        own = sum(cost[s, order[at], at] for at in rest)
        np.testing.assert_allclose(own, min(totals), rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_tied_components_do_not_depend_on_input_labels(K, seed):
    # Coordinates from a small set tie exactly, within draws and in their costs.
    rng = np.random.default_rng(seed)
    layout = Layout(K, 1)
    flat = Raw.of(np.full(K, -np.log(K)), np.arange(K) * 1.0, np.zeros((K, 1)), np.zeros((K, 1)))
    pivot = Pivot.from_mode(layout, layout.collapse(flat), 0.1 * np.eye(layout.size))
    draws = Raw.of(
        np.full((5, K), -np.log(K)),
        rng.integers(0, 2, (5, K)) * 1.0,
        rng.integers(0, 2, (5, K, 1)) * 1.0,
        rng.integers(0, 2, (5, K, 1)) * 1.0,
    )
    shuffled = draws.permuted(np.argsort(rng.random((5, K)), axis=1))
    assert_same(draws.permuted(pivot.align(draws)[0]), shuffled.permuted(pivot.align(shuffled)[0]))


@pytest.mark.parametrize("K", [2, 3, 5, 7])
def test_best_orders_against_enumeration(K):
    cost = np.random.default_rng(K).normal(size=(4, K, K))
    orders, margin = best_orders(cost)
    for s in range(4):
        totals = sorted(
            (sum(cost[s, order[label], label] for label in range(K)), order)
            for order in permutations(range(K))
        )
        assert tuple(orders[s]) == totals[0][1]
        np.testing.assert_allclose(margin[s], totals[1][0] - totals[0][0], rtol=1e-9)


@pytest.mark.parametrize(("K", "spread"), [(2, 0.3), (3, 0.3), (7, 0.1)])
def test_recovers_labels_of_separate_components(K, spread):
    rng = np.random.default_rng(0)
    layout = Layout(K, 2)
    truth = random_components(rng, K, 2)
    truth.coef[:] = np.arange(K)[:, None]
    theta = layout.collapse(truth)
    scale = spread / 5 * np.eye(layout.size)
    draws = layout.expand(theta + rng.standard_normal((500, layout.size)) @ scale)
    labels = np.argsort(rng.random((500, K)), axis=1)
    orders, margin = Pivot.from_mode(layout, theta, scale).align(draws.permuted(labels))
    np.testing.assert_array_equal(
        np.take_along_axis(labels, orders, axis=1), np.broadcast_to(np.arange(K), (500, K))
    )
    assert (margin > np.log(20)).all()


def test_an_empty_component_does_not_swallow_the_others():
    # Components 0 and 1 are tight, 2 is empty: its covariance is that of the prior.
    layout = Layout(3, 1)
    pivot = Raw.of(
        np.log([0.5, 0.499, 0.001]),
        np.zeros(3),
        np.array([[1.0], [-1.0], [0.0]]),
        np.log([[0.1], [0.1], [0.1]]),
    )
    sds = np.full(layout.size, 0.02)
    for k, sd in zip(range(3), [0.02, 0.02, 2.5], strict=True):
        sds[layout.own[k]] = sd
    scale = np.diag(sds)
    rng = np.random.default_rng(1)
    draws = layout.expand(
        layout.collapse(pivot) + 1.5 * rng.standard_normal((400, layout.size)) * sds
    )
    # Tight components six standard deviations off are still themselves.
    draws.coef[:, 0, 0] += 0.12
    orders, _ = Pivot.from_mode(layout, layout.collapse(pivot), scale).align(draws)
    assert np.mean((orders == np.arange(3)).all(axis=1)) > 0.99


def test_ambiguity_of_overlapping_components():
    layout = Layout(2, 1)
    same = Raw.of(np.log([0.5, 0.5]), np.zeros(2), np.array([[0.1], [-0.1]]), np.zeros((2, 1)))
    pivot = Pivot.from_mode(layout, layout.collapse(same), np.eye(layout.size))
    rng = np.random.default_rng(0)
    draws = layout.expand(rng.standard_normal((100, layout.size)))
    assert np.mean(pivot.align(draws)[1] < np.log(20)) > 0.9


def order_of(coef, intercept, log_sigma, log_weights, sds):
    K, p = np.shape(coef)
    layout = Layout(K, p)
    log_weights = np.asarray(log_weights) - np.log(np.exp(log_weights).sum())
    components = Raw.of(
        log_weights, np.asarray(intercept), np.asarray(coef), np.asarray(log_sigma)[:, None]
    )
    scale = np.ones(layout.size)
    for name, sd in sds.items():
        scale[layout.table[name].where] = sd
    return component_order(layout, layout.collapse(components), np.diag(scale))


def test_order_by_the_first_clear_key():
    coef = np.array([[0.2, 5.0], [0.0, 3.0], [0.1, 1.0]])
    rest = ([3.0, 1.0, 2.0], [0.0, -1.0, -2.0], [-1.0, -3.0, -2.0])
    tight = dict.fromkeys(["gating", "intercept", "coef", "sigma"], 1e-3)
    np.testing.assert_array_equal(order_of(coef, *rest, tight), [1, 2, 0])
    np.testing.assert_array_equal(order_of(coef, *rest, tight | {"coef": 0.2}), [2, 1, 0])
    np.testing.assert_array_equal(order_of(coef, *rest, tight | {"coef": 9.0}), [1, 2, 0])
    loose = tight | {"coef": 9.0, "intercept": 9.0}
    np.testing.assert_array_equal(order_of(coef, *rest, loose), [2, 1, 0])
    np.testing.assert_array_equal(order_of(coef, *rest, loose | {"sigma": 9.0}), [1, 2, 0])
    # Nothing is clear: the first coefficient; where that is the same for all, the next key.
    nothing = dict.fromkeys(tight, 9.0)
    np.testing.assert_array_equal(order_of(coef, *rest, nothing), [1, 2, 0])
    coef[:, 0] = [1e-16, 0.0, -1e-16]
    np.testing.assert_array_equal(order_of(coef, *rest, nothing), [2, 1, 0])


def test_three_standard_deviations_of_the_gap():
    rest = ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0])
    sds = dict.fromkeys(["gating", "intercept", "sigma"], 1.0)
    for gap, expected in [(2.9, [0, 1]), (3.1, [1, 0])]:
        # sd of the difference of two independent coefficients of sd 1 / sqrt(2) is 1.
        coef = np.array([[0.0, gap], [0.001, 0.0]])
        order = order_of(coef, *rest, sds | {"coef": np.sqrt(0.5)})
        np.testing.assert_array_equal(order, expected)


@settings(max_examples=40, deadline=None)
@given(sizes)
def test_order_does_not_depend_on_labels(size):
    K, p, fit_intercept, shared, seed = size
    rng = np.random.default_rng(seed)
    layout = Layout(K, p, fit_intercept, shared_extras=("sigma",) if shared else ())
    theta = layout.collapse(random_components(rng, K, p))
    scale = np.tril(rng.normal(0, 0.1, (layout.size, layout.size)))
    labels = rng.permutation(K)
    relabelled = layout.permute(theta, labels)
    order = component_order(layout, theta, scale)
    again = component_order(layout, relabelled, permuted_scale(layout, scale, labels))
    np.testing.assert_array_equal(labels[again], order)


def test_covariance_of_coordinates_against_simulation():
    rng = np.random.default_rng(5)
    layout = Layout(3, 2)
    theta = layout.collapse(random_components(rng, 3, 2))
    scale = 0.01 * np.tril(rng.normal(size=(layout.size, layout.size)))
    pivot = Pivot.from_mode(layout, theta, scale)
    draws = theta + rng.standard_normal((200_000, layout.size)) @ scale.T
    points = coordinates(layout, layout.expand(draws))
    for k in range(3):
        simulated = np.cov(points[:, k].T)
        white = pivot.whitener[k] @ simulated @ pivot.whitener[k].T
        np.testing.assert_allclose(white, np.eye(len(white)), atol=0.03)
        log_det = np.linalg.slogdet(simulated)[1]
        np.testing.assert_allclose(pivot.log_volume[k], 0.5 * log_det, atol=0.05)
