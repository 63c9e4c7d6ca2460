"""Tables with aligned columns for people."""

from collections.abc import Sequence

__all__ = ["duration", "paragraph", "table"]


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> str:
    """Heads, then rows; numbers stand to the right. `empty` is said instead of a table without rows."""
    if not rows:
        return empty
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(head), *(len(row[n]) for row in cells)) for n, head in enumerate(heads)]
    right = [all(isinstance(row[n], int | float) and not isinstance(row[n], bool) for row in rows)
             for n in range(len(heads))]  # fmt: skip
    lines = [list(heads), *cells]
    return "\n".join(
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width)
                  for cell, width, to_right in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )  # fmt: skip


def paragraph(facts: Sequence[tuple[str, object]]) -> str:
    """One fact a line, names aligned."""
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name.ljust(width)}  {_shown(value)}".rstrip() for name, value in facts)


def duration(seconds: float | None) -> str:
    """A duration as people say it."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ",".join(map(str, value)) or "-"
        case None | "":
            return "-"
        case _:
            return str(value)
