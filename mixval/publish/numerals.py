"""Numbers as text: as many decimals as the differences need, counts with separators, units."""

import math
from collections.abc import Iterable

MINUS = "\u2212"


def decimals_for(values: Iterable[float | None]) -> int:
    """Decimals (2 to 6) that show differences of a hundredth of the values' range."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    width = max(known) - min(known) if known else 0.0
    if width <= 0:
        width = abs(known[0]) if known and known[0] else 1.0
    return min(6, max(2, 2 - math.floor(math.log10(width))))


def fixed(value: float | None, decimals: int) -> str:
    """`-0.12` with a true minus sign; a dash for a missing number."""
    if value is None:
        return "–"
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and float(text) == 0 else text.replace("-", MINUS)


def signed(value: float, decimals: int) -> str:
    """`+0.12` or `-0.12`, with a true minus sign."""
    text = fixed(value, decimals)
    return text if text.startswith(MINUS) or not any(digit in text for digit in "123456789") else f"+{text}"


def compact(value: float | None) -> str:
    """Four significant digits, in powers of ten where needed."""
    return "–" if value is None else f"{value:.4g}".replace("-", MINUS)


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `12,345 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(part: float) -> str:
    """`37 %`; a share strictly between 0 and 1 is never shown as 0 or 100."""
    rounded = round(100 * part)
    if rounded == 0 and part > 0:
        return "<1 %"
    return ">99 %" if rounded == 100 and part < 1 else f"{rounded} %"


def seconds(duration: float) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`, `2 h 5 min`."""
    if duration < 60:
        return f"{duration:.2f} s" if duration < 10 else f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(n_bytes: int) -> str:
    """`512 B`, `1.4 kB`, `2.0 GB` (powers of 1000)."""
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
