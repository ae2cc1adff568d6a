"""The table of results: for each measurement the times, the ratio with its quartiles, the limit, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from benchmarks.clock import Samples, Spread, ratios, spread


@dataclass
class Row:
    """One comparison of a contestant with a baseline.

    Attributes:
        part: the part of the benchmarks, a letter.
        what: the measured quantity.
        who: the contestant.
        value: the result of the contestant.
        baseline: the contestant to compare with.
        baseline_value: the result of the baseline.
        ratio: the ratio of the two results; or their difference, if `unit` is a unit of time.
        unit: `"x"` for a ratio, `"exact"` for a ratio with five digits, or the unit of a difference.
        limit: the limit of the ratio; None for a row without a verdict.
        at_least: if True, the ratio must be at least the limit. By default it must be at most the limit.
        raw: the samples of each contestant.
    """

    part: str
    what: str
    who: str
    value: str
    baseline: str = ""
    baseline_value: str = ""
    ratio: Spread | None = None
    unit: str = "x"
    limit: float | None = None
    at_least: bool = False
    raw: Samples = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`"ok"` or `"MISSED"`, decided by the median; with a question mark if the limit lies between the quartiles."""
        if self.limit is None:
            return ""
        if self.ratio is None:
            return "MISSED"
        kept, *others = (number >= self.limit if self.at_least else number <= self.limit for number in self.ratio)
        return ("ok" if kept else "MISSED") + ("" if all(other == kept for other in others) else "?")

    def cells(self) -> list[str]:
        """Return the cells of the row as text."""
        digits = 1 if self.unit == "us" else 5 if self.unit == "exact" else 3
        unit = "" if self.unit in ("x", "exact") else f" {self.unit}"
        shown = f"{{:.{digits}f}}"
        measured = ""
        if self.ratio is not None:
            median, lower, upper = (shown.format(number) for number in self.ratio)
            measured = f"{median}{unit}" if lower == median == upper else f"{median} [{lower}, {upper}]{unit}"
        limit = "" if self.limit is None else f"{'>=' if self.at_least else '<='} {self.limit:g}{unit}"
        return [
            self.part,
            self.what,
            self.who,
            self.value,
            self.baseline,
            self.baseline_value,
            measured,
            limit,
            self.verdict,
        ]

    def as_json(self) -> dict[str, object]:
        """Return the row with its raw figures."""
        return asdict(self) | {"verdict": self.verdict}


HEADINGS = ["part", "measurement", "contestant", "value", "baseline", "value", "ratio [quartiles]", "limit", "verdict"]


def clock_time(duration: float) -> str:
    """Return seconds as text, in s, ms, us or ns."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if duration >= size:
            return f"{duration / size:.3g} {unit}"
    return f"{duration * 1e9:.3g} ns"


def time_row(
    part: str,
    what: str,
    samples: Samples,
    who: str,
    baseline: str,
    limit: float | None = None,
    per: int = 1,
) -> Row:
    """Return a row of times and their ratio, from samples that each measure `per` repetitions."""
    own, other = (clock_time(spread(samples[name]).median / per) for name in (who, baseline))
    raw = {name: [sample / per for sample in samples[name]] for name in (who, baseline)}
    return Row(part, what, who, own, baseline, other, ratios(samples, who, baseline), limit=limit, raw=raw)


def markdown(rows: list[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    text.insert(1, " | ".join("-" * max(width, 3) for width in widths))
    return "\n".join(f"| {line} |" for line in text)
