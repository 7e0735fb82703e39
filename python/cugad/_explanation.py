"""Explanations of scores."""

from __future__ import annotations

from typing import Any, NamedTuple

FINDINGS = ("residual", "missing", "unseen")


class Reason(NamedTuple):
    """One column that adds to the score of a row.

    `share` is in [0, 1]: how much the score falls if this cell alone gets its expected value, in relation to what all
    columns together let it fall by. Unknown numbers are NaN.
    """

    column: str
    """The column; of a category "name=value"."""
    share: float
    residual: float
    """How far the cell is from its expected value, in the units of the method."""
    finding: str
    """ "residual": it differs from what the others let expect; "missing"; or "unseen" in the training rows."""
    low: float
    high: float
    """Where 90 % of the column's values are expected, or twice the one value that is."""
    category: "str | None"
    """Of a category the most likely one."""
    likelihood: float
    least: float
    most: float
    """The range of the training rows."""

    def __str__(self) -> str:
        share = f"({100 * self.share:.0f} %)"
        if self.finding == "missing":
            return f"{self.column}: no value {share}"
        if self.finding == "unseen":
            return f"{self.column}: not seen in training {share}"
        if self.category is not None:
            return f"{self.column}: {self.category} expected {share}"
        expected = f"{self.low:.4g}" if self.low == self.high else f"{self.low:.4g} to {self.high:.4g}"
        return f"{self.column}: {expected} expected {share}"


def reasons_of(arrays: dict[str, Any], names: list[str], offsets: Any) -> list[list[Reason]]:
    """Return a list of reasons for each row. `offsets`: what an encoder took from the first columns."""
    shift = [*map(float, offsets), *[0.0] * (len(names) - len(offsets))]
    rows = []
    for r in range(len(arrays["column"])):
        reasons = []
        for k, column in enumerate(arrays["column"][r]):
            if column < 0:
                break

            def at(name: str, r: int = r, k: int = k) -> float:
                return float(arrays[name][r, k])

            category = int(arrays["category"][r, k])
            reasons.append(Reason(
                column=names[column], share=at("share"), residual=at("residual"),
                finding=FINDINGS[arrays["finding"][r, k]], low=at("low") + shift[column],
                high=at("high") + shift[column], category=None if category < 0 else names[category],
                likelihood=at("likelihood"), least=at("least") + shift[column], most=at("most") + shift[column]))
        rows.append(reasons)
    return rows
