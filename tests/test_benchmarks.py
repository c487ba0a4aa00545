"""The benchmark command: its judgement and its page; and that every part still runs."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from benchmarks.scale import growth, peers, results, warm
from benchmarks.scale.contenders import CONTENDERS, OURS
from benchmarks.scale.judgement import growth_exponent, is_right, slope_error, upper_half
from benchmarks.scale.page import render
from benchmarks.scale.parts import PARTS
from benchmarks.scale.peers_page import NAMES, details, ratio_table
from benchmarks.scale.process import ROOT, listen

from skmixreg.solvers import SOLVERS


def fit(seconds, slopes, **more):
    return {"seconds": seconds, "cpu": 2 * seconds, "slopes": slopes, "said": "so"} | more


def contender(name, first, second, **more):
    run = {"name": name, "n": 1000, "ours": name in OURS, "cap": 100.0, "failure": None}
    return run | {"first": first, "second": second, "starts": []} | more


@pytest.fixture
def found():
    """Peers' results, made up: ours four times as fast as PyMC with twice its ESS."""
    good, drawn = [-1.0, 3.001], {"converged": True, "sd": 0.01}
    ours = fit(0.5, good, peak=1e6, ess=4000.0, **drawn)
    pymc = fit(2.0, good, peak=1e6, ess=2000.0, **drawn)
    stuck = fit(2.0, [1.0, 1.0], peak=1e6, ess=3.0, converged=False, sd=1.0)
    one_line = fit(0.1, [0.9, 1.1], peak=1e6, converged=True)
    return {
        "starts_at": 1000,
        "left_out": [{"name": "smc", "n": 10_000}],
        "runs": [
            contender("auto", ours, ours),
            contender("laplace", ours, ours),
            contender("PyMC", pymc, pymc, starts=[pymc, stuck]),
            contender("nutpie", stuck, stuck),
            contender("NumPyro", None, None),
            contender("flexmix", one_line, None),
            contender("BayesianGaussianMixture", one_line, one_line, starts=[one_line] * 2),
        ],
    }


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power):
    sizes = [10, 100, 5000]
    assert growth_exponent(sizes, [3e-4 * s**power for s in sizes]) == pytest.approx(power)


def test_an_exponent_of_one_size_is_refused():
    with pytest.raises(ValueError, match="two sizes"):
        growth_exponent([10, 10], [1.0, 2.0])


def test_the_constant_part_does_not_enter_the_exponent():
    assert [upper_half(count) for count in (2, 3, 5, 6, 7)] == [2, 3, 3, 3, 4]
    sizes = [10**k for k in range(3, 8)]
    runs = [
        {"axis": "N", "solver": "map", "size": n, "seconds": 0.02 + 1e-6 * n, "cpu": 1e-6 * n}
        for n in sizes
    ]
    (line,) = growth.exponents({"runs": runs})
    assert (line["from"], line["to"]) == (100_000, 10_000_000)
    assert line["exponent"] == pytest.approx(0.96, abs=0.01)
    assert line["cpu_exponent"] == pytest.approx(1.0)


def test_right_and_wrong():
    assert is_right([3.01, -0.99])
    assert not is_right([3.01, -0.97])
    assert not is_right([1.0, 1.0])
    assert not is_right([3.0])
    assert slope_error([np.nan, 3.0]) == math.inf


def test_a_swap_of_components_is_no_error():
    truth = np.array([[3.0, 1.0], [-1.0, 2.0]])
    assert growth.furthest(truth[::-1] + 0.1, truth) == pytest.approx(0.1)
    # Two components at one place leave the other place empty.
    assert growth.furthest(truth[[0, 0]], truth) == pytest.approx(4.0)


def test_every_solver_is_measured_and_every_peer_has_its_words():
    assert {name.partition(",")[0] for name in OURS} == set(SOLVERS)
    assert set(NAMES) - {"auto"} == set(peers.Settings().names) - set(OURS)
    assert set(CONTENDERS) <= set(peers.Settings().names)
    assert {solver for solver, _ in warm.SOLVERS.values()} == set(SOLVERS)


def test_ratios_are_of_right_answers_only(found):
    rows = [line.strip("| ").split(" | ") for line in ratio_table(found)[2:]]
    assert ["ESS/s, default fit / PyMC's NUTS", "8 (8)"] in rows
    assert ["seconds, PyMC's NUTS / default fit", "4 (4)"] in rows
    assert ["ESS/s, default fit / nutpie", "theirs wrong"] in rows
    assert ["seconds, NumPyro's NUTS / default fit", "no fit in 100 s"] in rows
    assert ["seconds, `flexmix` / default fit", "0.2 (0.2), first fits, theirs wrong"] in rows
    assert ["seconds, `BayesianGaussianMixture` / default fit", "0.2 (0.2), theirs wrong"] in rows


def test_a_wrong_answer_that_was_called_converged_is_counted(found):
    lines = {line.split(" | ")[0].strip("| "): line for line in details(found)}
    assert lines["PyMC's NUTS"].endswith("1 of 2; 0 of 1 wrong ones called converged |")
    mixture = lines["`BayesianGaussianMixture`"]
    assert mixture.endswith("0 of 2; 2 of 2 wrong ones called converged |")
    assert "**190**" in mixture  # sds from the truth
    assert lines["nutpie"].endswith("none in time |")
    assert "Left out, since they would take too long: `smc` with N = 10,000." in lines


def test_the_page_has_ratios_before_details_and_names_what_was_not_measured(found):
    entry = {"date": "2026-01-01", "load": [0.1, 2.5], "row_seconds": 3.0, "source": "0a1b"}
    about = {"processor": "a processor", "cores": 2, "memory_gb": 8.0, "system": "Linux"}
    about |= {"python": "3.12", "packages": {"numpy": "2.1"}}
    both = {"machine": about, "parts": {}}
    both = results.merged(both, "gpu", entry | {"found": {"device": {"kind": "cpu"}, "runs": []}})
    both = results.merged(both, "peers", entry | {"found": found})
    assert list(both["parts"]) == ["peers", "gpu"]  # in the order of the parts
    text = render(json.loads(json.dumps(both)))
    order = [
        "## Ratios",
        "8 (8)",
        "## Machine",
        "a processor, 2 cores",
        "0.1, 2.5",
        "### N = 1,000",
    ]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)
    assert "no GPU here, skipped" in text
    assert "Not measured: `flexmix`, `growth`, `large`, `kernel`, `warm`." in text


def test_the_page_is_that_of_the_results():
    if results.RESULTS.exists():
        assert results.PAGE.read_text() == render(results.load())


def test_a_process_that_is_ended_keeps_what_it_had_said():
    code = "import time; print('@@{\"a\": 1}', flush=True); time.sleep(60)"
    heard = listen([sys.executable, "-S", "-c", code], 2.0)
    assert heard == ([{"a": 1}], True, None)


def test_a_process_that_fails_says_why():
    heard = listen([sys.executable, "-S", "-c", "raise SystemExit('out of luck')"], 60.0)
    assert not heard.capped
    assert heard.failure is not None
    assert "out of luck" in heard.failure


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_every_part_runs(name):
    part = PARTS[name]
    measured = json.loads(json.dumps(part.measure(part.tiny)))
    assert measured["runs"] or name == "gpu"
    for run in measured["runs"]:
        assert not run.get("failure")
        assert run.get("first", True)
        assert run.get("fits", True)
        assert run.get("cold", True)
    assert part.details(measured)
    part.ratios(measured)


def test_hand_written_models_are_found_where_contenders_run():
    """They are in a script, and each contender runs as a module in a process of its own."""
    code = "from tests.benchmarks.comparison import hand_written"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
