"""The unconstrained vector: a bijection that knows about labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skmixreg._model.layout import Layout
from skmixreg._model.raw import Raw


@st.composite
def _layouts(draw):
    p = draw(st.integers(0, 4))
    background = draw(st.booleans())
    return Layout(
        n_components=draw(st.integers(1 + int(background), 5)),
        n_features=p,
        fit_intercept=draw(st.booleans()),
        extras=draw(st.sampled_from([(), ("sigma",), ("shape", "df")])),
        shared_extras=draw(st.sampled_from([(), ("sigma",)])),
        n_gating=draw(st.integers(0, 2)),
        shared_columns=tuple(draw(st.sets(st.integers(0, p - 1)))) if p else (),
        shared_intercept=draw(st.booleans()),
        background=background,
    )


layouts = _layouts()


def relabelling(layout, rng):
    """A random one within the classes of exchangeable components."""
    order = np.arange(layout.n_components)
    for members in layout.classes:
        order[list(members)] = rng.permutation(members)
    return order


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
    order = relabelling(layout, rng)
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
    outer = Raw(*(rng.normal(size=part.shape) for part in layout.expand(theta)))

    def linear(vector):
        inner = layout.expand(vector)
        return sum(float((a * b).sum()) for a, b in zip(outer, inner, strict=True))

    gradient = layout.contract(outer.flat())
    step = 1e-6 * np.eye(layout.size)
    numeric = [(linear(theta + e) - linear(theta - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


@given(layout=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_raw_parameters_are_an_affine_map(layout, seed):
    theta = np.random.default_rng(seed).normal(size=layout.size)
    np.testing.assert_allclose(layout.expand(theta).flat(), layout.matrix @ theta, atol=1e-12)
    curved = np.diag(np.arange(1.0, len(layout.matrix) + 1.0))
    np.testing.assert_allclose(
        theta @ layout.contract2(curved) @ theta,
        np.sum(np.diag(curved) * layout.expand(theta).flat() ** 2),
        rtol=1e-10,
    )


def test_what_is_not_exchangeable_keeps_its_label():
    layout = Layout(4, 1, background=True, fixed_labels=(1,))
    assert layout.classes == ((0, 2), (1,), (3,))
    assert layout.log_labellings == pytest.approx(np.log(2.0))
    free = layout.forbidden == 0.0
    np.testing.assert_array_equal(free, [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
    assert Layout(4, 1).log_labellings == pytest.approx(np.log(24.0))


def test_size_is_the_number_of_free_parameters():
    assert Layout(2, 1).size == 7
    assert Layout(2, 1, fit_intercept=False, shared_extras=("sigma",)).size == 4
    assert Layout(1, 0).size == 2


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lines_are_the_first_coordinates_of_a_component(fit_intercept):
    layout = Layout(3, 2, fit_intercept)
    components = layout.expand(np.arange(layout.size, dtype=float))
    expected = components.coef
    if fit_intercept:
        expected = np.concatenate([components.intercept[:, None], expected], axis=1)
    np.testing.assert_array_equal(np.arange(layout.size)[layout.own_lines], expected)
