"""Tables of the part "peers"."""

from __future__ import annotations

from typing import Any

from .judgement import is_right, slope_error
from .tables import seconds_text, table, times

IN_SDS = 5.0  # further from the truth than this is a wrong answer
CLOCK_TICK = 0.01  # of CPU time
FROM_TRUTH = ("PyMC, from the truth", "nutpie, from the truth")
SAMPLERS = ("PyMC", "nutpie", "NumPyro", *FROM_TRUTH)
NAMES = {
    "auto": "`auto`, the default fit",
    "PyMC": "PyMC's NUTS",
    "nutpie": "nutpie",
    "NumPyro": "NumPyro's NUTS",
    "PyMC, from the truth": "PyMC's NUTS, from the truth",
    "nutpie, from the truth": "nutpie, from the truth",
    "BayesianGaussianMixture": "`BayesianGaussianMixture`",
    "flexmix": "`flexmix`",
    "initFlexmix + refit": "`initFlexmix(nrep = 3)` + `refit`",
    "regmixEM": "`regmixEM`",
}

Run = dict[str, Any]


def units(found: Run) -> dict[int, float]:
    """Posterior sd of a slope by rows, from the Laplace draws of the same run."""
    laplace = [r for r in found["runs"] if r["name"] == "laplace" and r["second"]]
    return {r["n"]: r["second"]["sd"] for r in laplace}


def error_in_sds(fit: Run, n: int, unit: dict[int, float]) -> float | None:
    """Distance of the slopes from the truth in posterior sds."""
    return slope_error(fit["slopes"]) / unit[n] if n in unit else None


def wrong(fit: Run, n: int, unit: dict[int, float]) -> bool:
    """Whether an answer is no answer: too far off, or chains that disagree."""
    error = error_in_sds(fit, n, unit)
    return (error is not None and error > IN_SDS) or ("ess" in fit and fit["converged"] is False)


def ratio_cell(ours: Run | None, theirs: Run | None, found: Run, by_ess: bool) -> str:
    """One ratio of second fits, else of first ones, or why there is none.

    The ratio of CPU seconds stands in brackets.
    """
    if ours is None or theirs is None or not ours["second"]:
        return "-"
    unit, n, cap = units(found), theirs["n"], theirs["cap"]
    if wrong(ours["second"], n, unit):
        return "ours wrong"
    if not theirs["first"]:
        return "failed" if theirs["failure"] else f"no fit in {cap:.0f} s"
    which = "second" if theirs["second"] else "first"
    mine, other = ours[which], theirs[which]
    failed = wrong(other, n, unit)
    if failed and by_ess:
        return "theirs wrong"
    gain = mine["ess"] / other["ess"] if by_ess else 1.0
    wall, cpu = (
        gain * max(other[clock], CLOCK_TICK) / max(mine[clock], CLOCK_TICK)
        for clock in ("seconds", "cpu")
    )
    note = ", first fits" * (which == "first") + ", theirs wrong" * failed
    return f"{times(wall)} ({times(cpu)}){note}"


def ratio_table(found: Run) -> list[str]:
    """Default fit against each peer, by rows."""
    sizes = sorted({r["n"] for r in found["runs"]})
    by = {(r["name"], r["n"]): r for r in found["runs"]}
    rows = []
    # Solver and its words; the peers that it is held against; whether ESS/s or seconds.
    plan = [
        ("auto", "default fit", name, by_ess)
        for name in NAMES
        if name != "auto"
        for by_ess in ((True, False) if name in SAMPLERS else (False,))
    ] + [("nuts", "our `nuts`", name, True) for name in FROM_TRUTH]
    for solver, solver_words, name, by_ess in plan:
        pairs = [(by.get((solver, n)), by.get((name, n))) for n in sizes]
        cells = [ratio_cell(*pair, found, by_ess) for pair in pairs]
        two = (solver_words, NAMES[name])
        what = f"ESS/s, {' / '.join(two)}" if by_ess else f"seconds, {' / '.join(two[::-1])}"
        if any(cell != "-" for cell in cells):
            rows.append([what, *cells])
    return table(["seed problem", *(f"N = {n:,}" for n in sizes)], rows)


def label(name: str) -> str:
    """A contender's words."""
    return NAMES.get(name, f"`{name}`")


def starts_text(run: Run, found: Run) -> str:
    """``18 of 20; 2 of 2 wrong ones called converged``."""
    fits = run["starts"]
    if not fits:
        return "none in time" if run["n"] == found["starts_at"] else "-"
    bad = [f for f in fits if not is_right(f["slopes"])]
    called = sum(f["converged"] is True for f in bad)
    text = f"{len(fits) - len(bad)} of {len(fits)}"
    return text + (f"; {called} of {len(bad)} wrong ones called converged" if bad else "")


def row(run: Run, found: Run) -> list[str]:
    """One contender at one size."""
    name = label(run["name"])
    first, second = run["first"], run["second"]
    missing = "failed" if run["failure"] else f"not in {run['cap']:.0f} s"
    shown = second or first
    if shown is None:
        return [name, missing, *["-"] * 6, starts_text(run, found)]
    error = error_in_sds(shown, run["n"], units(found))
    return [
        name,
        seconds_text(first["seconds"]),
        seconds_text(second["seconds"]) if second else missing,
        seconds_text(shown["cpu"]),
        f"{first['peak'] / 1e6:.0f}",
        f"{shown['ess'] / shown['seconds']:,.0f}" if "ess" in shown else "-",
        "-" if error is None else f"{error:.1f}" if error <= IN_SDS else f"**{error:,.0f}**",
        shown["said"].replace("|", "/"),
        starts_text(run, found),
    ]


def details(found: Run) -> list[str]:
    """Tables in Markdown, one per number of rows."""
    caps = dict.fromkeys(f"{run['cap']:.0f}" for run in found["runs"])
    lines = [
        "Every contender in a process of its own, one after the other: a first fit, which compiles",
        "(our kernels and PyTensor's C code lie in caches on disk, which are kept), and a second",
        "one on other data of the same size. Our first fits include the import of PyMC or JAX",
        "where a solver needs them; those of the peers do not. Peak memory is that of the first",
        "fit above what the process held before it: copies of the data, libraries and compilers",
        "that are loaded within the fit, and sampling processes. CPU seconds, ESS/s, the error and",
        "what the program said are those of the second fit, or of the first where there was none.",
        "The ratios above are those of second fits, where they do not say otherwise.",
        "",
        "ESS is ArviZ's bulk ESS of the slopes, the smaller one, with components sorted by slope",
        "in every draw; the draws of `cavi`, `advi` and `fullrank_advi` are independent draws from",
        "an approximation. The error is the larger distance of a slope from the truth, in",
        "posterior sds; up to 2 or 3 is chance. PyMC's, nutpie's and NumPyro's samplers run the",
        "model as a user writes it, with their defaults for chains, tuning and starts (NumPyro: 4",
        "chains of 1000 + 1000; single precision is its default), unless a row says otherwise:",
        "there 2 chains of 500 + 500, started at the true slopes and sigmas without jitter. R-hat",
        "is that of the slopes as sampled, and after sorting; over 1.05 after sorting counts as",
        "not converged. `BayesianGaussianMixture` fits the joint distribution of x and y, where x",
        "is not normal, so that its slopes need not be right even at its best optimum.",
        "",
        f"Right in starts: N = {found['starts_at']:,}, slopes within 0.02 of 3 and -1, from up to",
        "20 random states on the data of the second fit, fewer where these take long.",
        f"A process was ended after {' or '.join(caps)} s in all, starts included.",
        "",
    ]
    for n in sorted({r["n"] for r in found["runs"]}):
        runs = [r for r in found["runs"] if r["n"] == n]
        lines += [f"### N = {n:,}", ""]
        head = ["program", "first fit, s", "second fit, s", "CPU, s", "peak, MB", "ESS/s"]
        head += ["error, sds", "it said", "right in starts"]
        lines += [*table(head, [row(r, found) for r in runs]), ""]
    absent = [f"{label(r['name'])} with N = {r['n']:,}" for r in found["left_out"]]
    if absent:
        lines += [f"Left out, since they would take too long: {', '.join(absent)}.", ""]
    if not any(r["name"] == "flexmix" for r in found["runs"]):
        lines += ["R with flexmix and mixtools was not found, and is left out.", ""]
    return lines
