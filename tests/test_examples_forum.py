"""examples/forum_question.py: the densities that it mends, and what its page says came out."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "forum_question.py"
PAGE = ROOT / "docs" / "label-switching.md"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("forum_question", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["forum_question"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["forum_question"]


def test_each_density_is_what_its_step_says(example):
    """Against scipy: one component per batch and one log sigma as asked, a mixture at the end."""
    import pytensor.tensor as pt

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5))
    slopes, weights, sigma = np.array([3.0, -1.0]), np.array([0.3, 0.7]), 0.4
    deltas = [y - slope * x for slope in slopes]
    exact = np.stack([norm.logpdf(delta, 0, sigma) for delta in deltas])  # (2, rows)
    log_weights = np.log(weights)
    expected = {
        # Of n log(sigma), half of one is left: the rest is put back.
        example.whole_batch: logsumexp(
            log_weights + exact.sum(axis=1) + (len(y) - 0.5) * np.log(sigma)
        ),
        example.every_row: logsumexp(log_weights[:, None] + exact + 0.5 * np.log(sigma), axis=0),
        example.normal: logsumexp(log_weights[:, None] + exact, axis=0),
    }
    tensors = [pt.as_tensor(delta) for delta in deltas]
    for density, value in expected.items():
        got = example.log_likelihood(density, tensors, pt.as_tensor(weights), pt.as_tensor(sigma))
        assert float(got.eval(mode="FAST_COMPILE")) == pytest.approx(np.sum(value), rel=1e-10), (
            density.__name__
        )


def cells(text):
    """Rows of the Markdown table in a text: (step, how, right)."""
    lines = [line for line in text.splitlines() if re.match(r"\| .* \|$", line)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    header = rows[0]
    return [tuple(row[header.index(key)] for key in ("step", "how", "right")) for row in rows[2:]]


@pytest.mark.slow
def test_the_example_runs_and_the_page_says_what_came_out(tmp_path):
    picture = tmp_path / "picture.png"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(picture)], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 10_000
    came_out = cells(done.stdout)
    _, _, rest = PAGE.read_text().partition("<!-- forum table -->")
    assert cells(rest.partition("<!-- end of forum table -->")[0]) == came_out
    right = {(step, how): verdict for step, how, verdict in came_out}
    assert {v for (_, how), v in right.items() if how.startswith("solver=")} == {"yes"}
    assert right["as asked", "fullrank_advi"] == "no"
