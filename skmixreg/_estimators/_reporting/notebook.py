"""What a notebook shows of a fit: its components and whether it converged."""

from __future__ import annotations

from html import escape

from .component_rows import column_titles, component_rows
from .fit import PROBABILITY, Fit

# Rows of the table; wide fits have more parameters than a notebook should show unasked.
MOST_ROWS = 15
MOST_COMPONENTS = 8

# Colours are those of the page, light or dark: nothing is set but lines half transparent.
STYLE = """\
<style>
.skmixreg-fit { margin: 0.5em 0; font-size: 0.9em; color: inherit; }
.skmixreg-fit table { border-collapse: collapse; background: transparent; }
.skmixreg-fit th, .skmixreg-fit td {
  padding: 0.15em 0.8em; text-align: left; color: inherit; background: transparent;
  border: none; border-bottom: 1px solid rgba(128, 128, 128, 0.35); white-space: nowrap;
}
.skmixreg-fit th { font-weight: 600; }
.skmixreg-fit p { margin: 0.4em 0; max-width: 60em; }
.skmixreg-fit .doubt { border-left: 4px solid #d9534f; padding-left: 0.6em; }
</style>"""


def notebook_block(fit: Fit) -> str:
    """HTML without anything from elsewhere; names and messages are escaped.

    Parameters
    ----------
    fit : Fit
    """
    rows = component_rows(fit)
    titles = column_titles(fit, rows)
    shown = min(len(titles), MOST_COMPONENTS)
    head = "".join(f"<th>{title}</th>" for title in ["", *titles[:shown]])
    body = []
    for row in rows[:MOST_ROWS]:
        cells = [f"<td>{escape(cell)}</td>" for cell in row.cells[:shown]]
        cells += ["<td></td>"] * (shown - len(cells))
        label = f"{row.label} (all components)" if row.shared else row.label
        body.append(f"<tr><th>{escape(label)}</th>{''.join(cells)}</tr>")
    left_out = len(rows) - len(body)
    more = [f"{left_out} parameters"] if left_out > 0 else []
    more += [f"{len(titles) - shown} components"] if len(titles) > shown else []
    numbers = (
        "Parameters at the mode; a point has no intervals."
        if fit.is_point
        else f"Posterior means with {100 * PROBABILITY:.0f}% intervals."
    )
    numbers += f" {' and '.join(more)} more are in summary()." if more else ""
    return (
        f'{STYLE}<div class="skmixreg-fit">{_verdict(fit)}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        f"<p>{numbers}</p></div>"
    )


def _verdict(fit: Fit) -> str:
    if fit.posterior.failures:
        why = escape("; ".join(fit.posterior.failures))
        return (
            '<p class="doubt"><strong>Did not converge: these numbers cannot be trusted.</strong> '
            f"{why}</p>"
        )
    out = "<p><strong>Converged</strong>: every check of the search and the solver passed.</p>"
    if fit.choice is not None and not fit.choice.resolved:
        out += '<p class="doubt">The choice is not resolved: see criterion_table_.</p>'
    return out + "".join(
        f'<p class="doubt">Note: {escape(words)}</p>' for words in fit.notes.values()
    )
