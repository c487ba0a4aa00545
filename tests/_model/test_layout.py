"""The unconstrained vector: a bijection that knows about labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skmixreg._model.layout import Layout
from skmixreg._model.raw import Raw

layouts = st.builds(
    Layout,
    n_components=st.integers(1, 5),
    n_features=st.integers(0, 4),
    fit_intercept=st.booleans(),
    shared_extra=st.booleans(),
)


@given(layout=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_pack_inverts_unpack(layout, seed):
    theta = np.random.default_rng(seed).normal(size=(3, 2, layout.size))
    components = layout.expand(theta)
    np.testing.assert_allclose(np.exp(components.log_weights).sum(-1), 1.0)
    np.testing.assert_allclose(layout.collapse(components), theta, atol=1e-12)


@given(layout=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_permute_relabels_components_and_keeps_volume(layout, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(4, layout.size))
    order = rng.permutation(layout.n_components)
    moved = layout.expand(layout.permute(theta, order))
    for got, expected in zip(moved, layout.expand(theta).permuted(order), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    matrix = layout.permute(np.eye(layout.size), order)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(layout.size), atol=1e-12)


@given(layout=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_contract_is_the_chain_rule(layout, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=layout.size)
    K, p = layout.n_components, layout.n_features
    outer = Raw.of(
        rng.normal(size=K), rng.normal(size=K), rng.normal(size=(K, p)), rng.normal(size=(K, 1))
    )

    def linear(vector):
        inner = layout.expand(vector)
        return sum(float((a * b).sum()) for a, b in zip(outer, inner, strict=True))

    gradient = layout.contract(outer.flat())
    step = 1e-6 * np.eye(layout.size)
    numeric = [(linear(theta + e) - linear(theta - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_size_is_the_number_of_free_parameters():
    assert Layout(2, 1).size == 7
    assert Layout(2, 1, fit_intercept=False, shared_extra=True).size == 4
    assert Layout(1, 0).size == 2


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lines_are_the_first_coordinates_of_a_component(fit_intercept):
    layout = Layout(3, 2, fit_intercept)
    components = layout.expand(np.arange(layout.size, dtype=float))
    expected = components.coef
    if fit_intercept:
        expected = np.concatenate([components.intercept[:, None], expected], axis=1)
    np.testing.assert_array_equal(np.arange(layout.size)[layout.own_lines], expected)
