"""
Data frames, missing values, formulas and grid search
=====================================================

A trial of a drug, simulated: in some patients blood pressure falls with the dose, in the others it
does not, and nobody knows who is who.  Three clinics measure at different levels, and the age of
one patient in ten was not written down.  The frame is a polars frame; pandas works the same.
"""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmixreg import BayesianMixtureRegressor
from skmixreg.formula import from_formula
from skmixreg.inspection import ComponentLinesDisplay
from skmixreg.metrics import mean_log_predictive_density_scorer
from skmixreg.model_selection import cross_val_responsibilities, one_standard_error

rng = np.random.default_rng(0)
n = 600
dose = rng.uniform(0, 40, n)
age = rng.normal(55, 10, n)
clinic = rng.choice(["Bonn", "Lyon", "Turin"], n)
responds = rng.random(n) < 0.4
level = pd.Series({"Bonn": 0.0, "Lyon": 4.0, "Turin": -3.0}).loc[clinic].to_numpy()
pressure = 140 + level + 0.3 * (age - 55) - np.where(responds, 0.9, 0.05) * dose
y = pressure + rng.normal(0, 4, n)

age[rng.random(n) < 0.1] = np.nan
clinics = pl.Enum(["Bonn", "Lyon", "Turin"])
X = pl.DataFrame(
    {"dose": dose, "age": age, "clinic": pl.Series(clinic, dtype=clinics)}, nan_to_null=True
)
print(X.head())

# %%
# Columns into a matrix, inside the pipeline
# ------------------------------------------
# The mixture wants numbers.  What becomes of categories and missing values is a step before it, so
# that it is learnt from the training rows alone and done again to new ones.  With
# ``set_output("pandas")`` the columns keep their names.

columns = ColumnTransformer(
    [
        ("number", "passthrough", ["dose"]),
        ("age", SimpleImputer(strategy="median"), ["age"]),
        ("clinic", OneHotEncoder(drop="first", sparse_output=False), ["clinic"]),
    ],
    verbose_feature_names_out=False,
).set_output(transform="pandas")
pipe = make_pipeline(columns, BayesianMixtureRegressor(random_state=0))

# %%
# How many groups
# ---------------
# The search runs over the pipeline, so that imputing is part of every fold.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # candidates with too many groups may well have to warn
    search = GridSearchCV(
        pipe,
        {"bayesianmixtureregressor__n_components": [1, 2, 3]},
        scoring=mean_log_predictive_density_scorer,
        refit=one_standard_error,
        cv=KFold(3, shuffle=True, random_state=0),
        n_jobs=-1,
    ).fit(X, y)
scores = pd.DataFrame(search.cv_results_)[["mean_test_score", "std_test_score"]]
scores.index = pd.Index([1, 2, 3], name="groups")
print(scores.round(3).to_string())
print(f"\nchosen: {search.best_params_}")

# %%
# Tables come out as pandas frames, with the names of the columns.

chosen = search.best_estimator_
model = chosen[-1]
print(model.summary()[["mean", "sd", "eti90_lb", "eti90_ub"]].round(2).to_string(), "\n")
print(model.contrast().round(2).to_string())

# %%
# What a pipeline does not forward is asked of its last step, on transformed rows.

new = pl.DataFrame(
    {"dose": [0.0, 40.0], "age": [50.0, None], "clinic": ["Lyon", "Bonn"]}, schema=X.schema
)
print("mean and sd:", *(a.round(1) for a in chosen.predict(new, return_std=True)))
for regions in model.predict_hdr(chosen[:-1].transform(new)):
    print("90% of patients like this one:", *(f"{low:.0f} to {high:.0f}" for low, high in regions))
members = cross_val_responsibilities(chosen, X, y, cv=KFold(3, shuffle=True, random_state=0))
right = (members.argmax(axis=1) == np.where(responds, 0, 1))[dose > 30].mean()
print(f"right group at doses over 30, out of fold: {right:.0%}")

# %%
# The lines
# ---------
# Patients are moved to one age and one clinic by what these contribute in their group.

figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
ComponentLinesDisplay.from_estimator(
    chosen,
    X,
    y,
    feature="dose",
    at={"age": 55.0, "clinic": "Bonn"},
    partial_residuals=True,
    ax=axes,
)
axes.set(xlabel="dose", ylabel="blood pressure at age 55, in Bonn")

# %%
# The same by a formula
# ---------------------
# ``from_formula`` returns a fitted pipeline, which codes new frames as it did this one.  It would
# leave out rows with a missing value, and warn; here they are left out before.

trial = X.with_columns(pressure=y).drop_nulls()
by_formula = from_formula("pressure ~ dose + center(age) + clinic", trial, random_state=0)
print(by_formula["mixture"].summary()[["mean", "sd"]].round(2).to_string())
print("mean:", by_formula.predict(new.fill_null(55.0)).round(1))

# %%
# The sentence for a paper
# ------------------------

rows = model.summary().loc[["coef[0, dose]", "coef[1, dose]"]].iloc[:, [0, 2, 3]].to_numpy()
falls, stays = (f"{-mean:.2f} (90% interval {-high:.2f} to {-low:.2f})" for mean, low, high in rows)
print(
    f"Of {n} patients {model.weights_[0]:.0%} responded: blood pressure fell by {falls}\n"
    f"per unit of dose, in the others by {stays}, in a mixture of two linear\n"
    "regressions (chosen among one to three by cross-validated predictive density) that adjusts\n"
    "for clinic and for age, of which missing values were imputed by the median."
)
