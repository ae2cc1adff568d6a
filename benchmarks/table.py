"""Rows of results: what was measured, the ratio with its spread, the limit, and whether it was kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from benchmarks.clock import Samples, Spread, ratios, spread


@dataclass
class Row:
    """One comparison. `ratio` may be a difference instead, in `unit`; without a limit a row only informs."""

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
        """Whether the limit was kept, judged by the median; with a question mark where the quartiles disagree."""
        if self.limit is None:
            return ""
        if self.ratio is None:
            return "MISSED"
        kept, *others = (number >= self.limit if self.at_least else number <= self.limit for number in self.ratio)
        return ("ok" if kept else "MISSED") + ("" if all(other == kept for other in others) else "?")

    def cells(self) -> list[str]:
        """The row as text."""
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
        """The row with its raw figures."""
        return asdict(self) | {"verdict": self.verdict}


HEADINGS = ["", "what", "who", "takes", "against", "takes", "ratio [quartiles]", "limit", ""]


def clock_time(duration: float) -> str:
    """Seconds, in the unit that fits."""
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
    """A row of times and their ratio, from samples that each cover `per` repetitions."""
    own, other = (clock_time(spread(samples[name]).median / per) for name in (who, baseline))
    raw = {name: [sample / per for sample in samples[name]] for name in (who, baseline)}
    return Row(part, what, who, own, baseline, other, ratios(samples, who, baseline), limit=limit, raw=raw)


def markdown(rows: list[Row]) -> str:
    """The rows as a table that can be read in a terminal and pasted into a document."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    text.insert(1, " | ".join("-" * max(width, 3) for width in widths))
    return "\n".join(f"| {line} |" for line in text)
