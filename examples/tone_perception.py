"""Tone perception: one musician, several ways of tuning.

Cohen (1980) played a trained musician tones whose overtones were stretched by a known ratio, and
asked for the octave.  Two theories predict two lines: who tunes by the overtones follows the
stretching (slope 1), who tunes by a learned sense of the interval ignores it (slope 0, at the
octave, 2).  Nobody saw which was at work in which of the 150 trials.  Usage::

    python examples/tone_perception.py [picture.png]
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, KFold

from skmixreg import BayesianMixtureRegressor, MultimodalPosteriorWarning
from skmixreg.model_selection import one_standard_error

HERE = Path(__file__).parent
DATA = HERE.parent / "tests" / "reference" / "tonedata.csv"
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]


def choose_number(X: pd.DataFrame, y: pd.Series) -> int:
    """How many lines: by cross-validation, with the evidence beside it."""
    # Four lines in 120 rows leave one nearly empty, where the default may end with NUTS.  For
    # twenty fits that only serve a comparison, Gibbs sampling is enough.
    search = GridSearchCV(
        BayesianMixtureRegressor(solver="gibbs", random_state=0),
        {"n_components": [1, 2, 3, 4]},
        cv=KFold(5, shuffle=True, random_state=0),
        refit=one_standard_error,
        n_jobs=-1,
    ).fit(X, y)
    table = pd.DataFrame(
        {
            "score": search.cv_results_["mean_test_score"],
            "sd over folds": search.cv_results_["std_test_score"],
            "log evidence": [
                BayesianMixtureRegressor(K, random_state=0).fit(X, y).log_evidence_
                for K in (1, 2, 3, 4)
            ],
        },
        index=pd.Index([1, 2, 3, 4], name="lines"),
    )
    print(table.round(3).to_string())
    return int(search.best_params_["n_components"])


def draw_picture(
    model: BayesianMixtureRegressor, X: pd.DataFrame, y: pd.Series, path: Path
) -> None:
    """Trials coloured by line, and the region that holds 90% of new ones."""
    ratio = X["stretchratio"].to_numpy()
    grid = pd.DataFrame({"stretchratio": np.linspace(ratio.min(), ratio.max(), 121)})
    step = float(np.diff(grid["stretchratio"])[0])
    member = model.assign(X, y)
    lines = model.predict_components(grid)

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for x, regions in zip(grid["stretchratio"], model.predict_hdr(grid), strict=True):
        for low, high in regions:
            axes.fill_between([x - step / 2, x + step / 2], low, high, color="0.88", lw=0)
    axes.fill_between([], [], [], color="0.88", label="90% of new trials")
    for k, colour in zip(range(model.n_components), COLOURS, strict=False):
        mine = member == k
        axes.plot(grid["stretchratio"], lines[:, k], color=colour, lw=1.5)
        axes.scatter(
            ratio[mine],
            y[mine],
            s=14,
            color=colour,
            label=f"slope {model.coef_[k, 0]:.2f}, {mine.sum()} trials",
        )
    axes.set(xlabel="stretching ratio", ylabel="ratio tuned to", title="Tone perception")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """The analysis, from the number of lines to the picture."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "output" / "tone_perception.png"
    frame = pd.read_csv(DATA)
    X, y = frame[["stretchratio"]], frame["tuned"]

    print("1. Two lines, as the theories have it\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MultimodalPosteriorWarning)
        two = BayesianMixtureRegressor(2, random_state=0).fit(X, y)
    for warning in caught:
        print(f"Warning: {warning.message}\n")
    print(two.modes_.round(2).to_string(), "\n")
    print(two.summary(by_mode=True).to_string())
    print(
        "\nTwo different readings of the same data: in one, a line of slope 1 is followed almost"
        "\nto the digit and the other line takes up all the rest; in the other, it is the flat"
        "\nline that is sharp.  Two lines are one too few.\n"
    )

    print("2. How many lines?\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MultimodalPosteriorWarning)
        number = choose_number(X, y)
    print(f"\nSmallest number within a standard error of the best score: {number}\n")

    print(f"3. {number} lines\n")
    model = BayesianMixtureRegressor(number, random_state=0).fit(X, y)
    print(model.summary().to_string(), "\n")
    print("Differences between the lines:\n")
    print(model.contrast().round(3).to_string(), "\n")
    print(f"solver: {model.posterior_.solver}; converged: {model.converged_}")
    probability = model.predict_proba(X, y).max(axis=1)
    print(f"Trials whose line is at least 95% sure: {np.mean(probability > 0.95):.0%}")

    draw_picture(model, X, y, path)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
