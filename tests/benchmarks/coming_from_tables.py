"""The tables of docs/coming-from-*.md, from the records of coming_from.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from comparison_tables import markdown
from solver_table import with_table

Record = dict[str, Any]


def lines_of(fit: Record) -> np.ndarray:
    """Intercepts and slopes of a fit in R, of shape (K, 1 + p), in the order of the slopes."""
    slopes = [name for name in fit["coef"][0] if name != "(Intercept)"]
    return np.array([[line[name] for name in ["(Intercept)", *slopes]] for line in fit["coef"]])


def errors_of(fit: Record) -> np.ndarray:
    names = ["(Intercept)", *(name for name in fit["coef"][0] if name != "(Intercept)")]
    return np.array([[line[name] for name in names] for line in fit["se"].values()])


def of_ours(fit: Record, mode: str | None = None) -> tuple[Record, Record]:
    """Means and sds of a fit here, of all draws or of those near one solution."""
    names = [name for name in ("weights", "sigma", "intercept", "coef") if name in fit]
    if mode is None:
        means = {name: np.array(fit[name]) for name in names}
        return means, {name: np.array(fit["sd"][name]) for name in names if name in fit["sd"]}
    rows = fit["by_mode"][mode]
    means, sds = {}, {}
    for name in names:
        mine = [row for key, row in rows.items() if key.startswith(f"{name}[")]
        shape = np.shape(fit[name])
        means[name] = np.array([row["mean"] for row in mine]).reshape(shape)
        sds[name] = np.array([row["sd"] for row in mine]).reshape(shape)
    return means, sds


def order_as(lines: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Which of ``lines`` comes to which of ``target``, by the least sum of relative distances."""
    from scipy.optimize import linear_sum_assignment

    scale = target.std(axis=0) + 1e-9
    distance = np.abs((target[:, None] - lines[None]) / scale).sum(axis=-1)
    return linear_sum_assignment(distance)[1]


def in_order(fit: Record, target: np.ndarray, mode: str | None = None) -> tuple[Record, Record]:
    """Means and sds, components in the order of the other system's."""
    means, sds = of_ours(fit, mode)
    order = order_as(np.column_stack([means["intercept"], means["coef"]]), target)
    return (
        {name: value[order] for name, value in means.items()},
        {name: value[order] for name, value in sds.items()},
    )


def number(value: float, error: float | None = None) -> str:
    digits = 3 if abs(value) < 10 else 2
    spread = "" if error is None else f" ± {error:.{digits}f}"
    return f"{value:.{digits}f}{spread}"


def rough(value: float, error: float) -> str:
    """In powers of ten where a chain went off."""
    return number(value, error) if error < 1e4 else f"{value:.0e} ± {error:.0e}"


def beside(
    theirs: Record, ours: Record, likely: Record | None, heads: list[str], columns: list[str],
    loglik: float, mode: str | None = None,
) -> str:  # fmt: skip
    """Parameters by component: theirs, the maximum of the likelihood here, and the posterior."""
    lines = lines_of(theirs)
    errors = errors_of(theirs) if "se" in theirs else None
    means, sds = in_order(ours, lines, mode)
    top = in_order(likely, lines)[0] if likely else None
    best = [] if likely is None else [f"{likely['loglik'][0]:.4f}"]
    rows = [["log-likelihood", f"{theirs['loglik']:.4f}", *best, f"{loglik:.4f} at the mode"]]
    places = [(name, "intercept", ()) for name in columns[:1]]
    places += [(name, "coef", (j,)) for j, name in enumerate(columns[1:])]
    for j, (label, name, at) in enumerate(places):
        shared = np.ptp(lines[:, j]) < 1e-9
        each = range(1 if shared else len(lines))
        cells = [number(lines[k, j], None if errors is None else errors[k, j]) for k in each]
        rows.append(
            [
                f"{label}, all components" if shared else label,
                ", ".join(cells),
                *([] if top is None else [", ".join(number(top[name][k, *at]) for k in each)]),
                ", ".join(number(means[name][k, *at], sds[name][k, *at]) for k in each),
            ]
        )
    for name in ("sigma", "weights"):
        if len(theirs[name]):
            spread = sds.get(name, [None] * len(lines))
            rows.append(
                [
                    name,
                    ", ".join(number(value) for value in theirs[name]),
                    *([] if top is None else [", ".join(number(value) for value in top[name])]),
                    ", ".join(number(*pair) for pair in zip(means[name], spread, strict=True)),
                ]
            )
    return markdown(heads, rows)


HERE = ["here, maximum of the likelihood", "here, posterior"]


def of_r(name: str, columns: list[str], system: str) -> Callable[[Record], str]:
    def table(record: Record) -> str:
        theirs, ours = record["theirs"][name], record["ours"][name]
        likely = record["ours"][f"{name}_ml"]
        heads = ["", system, *HERE]
        return beside(theirs, ours, likely, heads, columns, ours["loglik"][0])

    return table


def tone_table(record: Record) -> str:
    """mixtools ends at the common solution, which is the second here."""
    theirs, ours = record["theirs"]["tone"], record["ours"]["tone"]
    heads = ["", "`regmixEM`", "here, posterior near that solution"]
    return beside(
        theirs, ours, None, heads, ["intercept", "stretchratio"], ours["loglik"][1], mode="1"
    )


def pymc_table(record: Record) -> str:
    """Every chain as drawn, and the two solutions here."""
    rows = []
    for run, tree in record["theirs"].items():
        for chain, (slope, sigma) in enumerate(zip(tree["slope"], tree["sigma"], strict=True)):
            rhat = f"{max(tree['rhat']):.2f}, {max(tree['rhat_sorted']):.2f}"
            cells = [", ".join(number(value) for value in values) for values in (slope, sigma)]
            rows.append([f"`{run}`, chain {chain}", *cells, "" if chain else rhat])
    ours = record["ours"]["tone"]
    for mode, share in enumerate(ours["probability"][:2]):
        means, _ = of_ours(ours, str(mode))
        cells = [
            ", ".join(number(value) for value in np.ravel(means[name]))
            for name in ("coef", "sigma")
        ]
        rows.append([f"here, solution {mode}, {share:.0%} of the posterior", *cells, ""])
    return markdown(["means", "slopes", "sigma", "R-hat of slopes, sorted by draw"], rows)


def brms_table(record: Record) -> str:
    """Means and sds by chain, and the posterior here."""
    theirs, ours = record["theirs"]["lines"], record["ours"]["lines"]
    means, sds = of_ours(ours)
    mean, sd = np.array(theirs["chain_means"]), np.array(theirs["chain_sds"])
    labels = (
        ("Intercept", "intercept", ()), ("x", "coef", (0,)), ("IxE2", "coef", (1,)),
        ("sigma", "sigma", ()), ("theta", "weights", ()),
    )  # fmt: skip
    rows = []
    for label, name, at in labels:
        for k in range(2):
            whole = label in ("sigma", "theta")
            variable = f"{label}{k + 1}" if whole else f"b_mu{k + 1}_{label}"
            v = theirs["names"].index(variable)
            rows.append(
                [
                    f"`{variable}`",
                    *(rough(mean[chain, v], sd[chain, v]) for chain in range(len(mean))),
                    f"{theirs['rhat'][variable]:.2f}",
                    number(means[name][k, *at], sds[name][k, *at]),
                ]
            )
    heads = ["", *(f"brms, chain {chain + 1}" for chain in range(len(mean))), "R-hat", "here"]
    return markdown(heads, rows)


FLEXMIX = "`flexmix` ± s.e. of `refit`"
TABLES: dict[str, dict[str, Callable[[Record], str]]] = {
    "flexmix": {
        "npreg": of_r("npreg", ["intercept", "x", "x²"], FLEXMIX),
        "betablocker_fit": of_r("betablocker_fit", ["intercept", "treated"], FLEXMIX),
    },
    "mixtools": {"co2": of_r("co2", ["intercept", "GNP"], "`regmixEM`"), "tone": tone_table},
    "stata-fmm": {"patents": of_r("patents", ["intercept", "lgRD"], FLEXMIX)},
    "brms": {"lines": brms_table},
    "pymc": {"chains": pymc_table},
}


def pages_with_tables(pages: dict[str, str], results: Record) -> dict[str, str]:
    """The pages with every table as the records have it."""
    done = {}
    for page, text in pages.items():
        for name, table in TABLES[page].items():
            text = with_table(text, name, table(results[page]))
        done[page] = text
    return done
