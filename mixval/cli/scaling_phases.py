"""`mixval scaling phases`: the expected error of Lemma 1, and where its curve bends."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json
from mixval.errors import ConfigError, ContractError

ROWS = ("1e3", "1e4", "1e5", "1e6", "1e8")


def phases(
    real: Annotated[float, typer.Option(help="Share of real data, 0 to 1.", show_default=False)],
    beta: Annotated[float, typer.Option(help="Exponent of Zipf's law: piece i has the share i^-beta.")] = 2.0,
    cut: Annotated[
        int | None, typer.Option(help="Synthetic data holds the first ranks alone, this many.", show_default=False)
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Synthetic data is drawn at this temperature.", show_default=False)
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Synthetic data holds the head of this weight.", show_default=False)
    ] = None,
    finite: Annotated[
        int | None, typer.Option(help="Synthetic data repeats a sample of so many real rows.", show_default=False)
    ] = None,
    items: Annotated[int | None, typer.Option(help="Pieces there are. Default: infinitely many.", show_default=False)] = None,
    counts: Annotated[
        Path | None,
        typer.Option(help="Counts of pieces in real data, one a line, in place of Zipf's law. With --cut.", show_default=False),
    ] = None,
    rows: Annotated[list[str] | None, typer.Option("--at-data", metavar="N", help="Training rows. Repeatable.")] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="A test with equally many of each of --items pieces.")] = False,
    a: Annotated[float, typer.Option("--a", help="Chance of being right about seen piece i: a i^-alpha.")] = 1.0,
    alpha: Annotated[float, typer.Option(help="See --a.")] = 0.0,
    b: Annotated[float, typer.Option("--b", help="Chance of being right about unseen piece i: b i^-lambda.")] = 0.0,
    lambda_: Annotated[float, typer.Option("--lambda", help="See --b.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Say what error a mixture of real and synthetic data leads to, and where its curve bends."""
    with errors_shown(as_json):
        import numpy as np

        from mixval.scaling.expected_error import Correctness
        from mixval.scaling.runs import number_of

        kinds = {"cut": cut, "temperature": temperature, "top-p": top_p, "finite": finite}
        given = {kind: float(value) for kind, value in kinds.items() if value is not None}
        if len(given) != 1:
            raise ConfigError(
                f"phases: expected one of --cut, --temperature, --top-p and --finite, found {', '.join(given) or 'none'}. Say "
                "how synthetic data departs from real."
            )
        n = np.array([number_of(one, "--at-data") for one in rows or ROWS])
        correct = Correctness(a, alpha, b, lambda_)
        if counts is not None:
            found = _of_counts(counts, given, real, n, correct)
        else:
            found = _of_law(beta, real, *next(iter(given.items())), items, n, correct, balanced)
        typer.echo(json.dumps(found, indent=2) if as_json else _text(found))


def _of_law(
    beta: float, real: float, kind: str, at: float, items: int | None, n: Any, correct: Any, balanced: bool
) -> dict[str, Any]:
    from mixval.scaling.expected_error import expected_error, floor, log_slope
    from mixval.scaling.knowledge import Generator, Mixture
    from mixval.scaling.phases import bends, breakpoints, phase_error

    mixture = Mixture(beta, real, Generator(kind, at), items)
    errors, slopes = expected_error(mixture, n, correct, balanced), log_slope(mixture, n, correct, balanced)
    is_cut = not math.isinf(mixture.kept) and real > 0
    formula = phase_error(mixture, n, correct) if is_cut else None
    found = bends(mixture, correct, balanced, is_relative=not is_cut)
    return {
        "floor": floor(mixture, correct, balanced),
        "flattest_slope": found.flattest,
        "flattest_at": found.flattest_at,
        "half_way": [found.first, found.second],
        "formula": list(breakpoints(mixture)) if is_cut else None,
        "rows": [
            {
                "n": float(one),
                "error": float(errors[at]),
                "slope": float(slopes[at]),
                "phase": None if formula is None else int(formula[1][at]),
                "formula": None if formula is None else float(formula[0][at]),
            }
            for at, one in enumerate(n)
        ],
    }


def read_counts(file: Path) -> Any:
    """The counts of a file, (I,)."""
    import numpy as np

    try:
        return np.array([float(line) for line in file.read_text(encoding="utf-8").split()])
    except (OSError, ValueError) as error:
        raise ContractError(f"{file}: expected one count a line, found what is none: {error}. Correct it.") from error


def _of_counts(file: Path, given: dict[str, float], real: float, n: Any, correct: Any) -> dict[str, Any]:
    import numpy as np

    from mixval.scaling.expected_error import array_error
    from mixval.scaling.tail_counts import coverage, shares, unseen_pieces

    if "cut" not in given:
        raise ConfigError("--counts: expected --cut beside it, found none. Give the last rank that synthetic data holds.")
    counted = read_counts(file)
    p = shares(counted)
    synthetic = np.where(np.arange(1, len(p) + 1) <= given["cut"], p, 0.0)
    errors = array_error(p, synthetic / synthetic.sum(), real, n, correct)
    return {
        "coverage": coverage(counted),
        "unseen_pieces": unseen_pieces(counted),
        "rows": [{"n": float(one), "error": float(error)} for one, error in zip(n, errors, strict=True)],
    }


def _text(found: dict[str, Any]) -> str:
    lines = []
    if "coverage" in found:
        lines.append(f"Seen pieces hold {found['coverage']:.4g} of real data; at least {found['unseen_pieces']} were not seen.")
    else:
        half = ["nowhere" if one is None else f"{one:.4g}" for one in found["half_way"]]
        flattest = f"Flattest slope {found['flattest_slope']:.4g} at {found['flattest_at']:.4g} rows"
        lines.append(f"{flattest}; half-way at {half[0]} and {half[1]}.")
        if found["formula"]:
            first, second = found["formula"]
            lines.append(f"The formula's breakpoints: k^beta = {first:.4g}, k^beta / pi = {second:.4g}.")
        lines.append(f"Error that no data removes: {found['floor']:.4g}.")
    for one in found["rows"]:
        slope = f", slope {one['slope']:.4g}" if "slope" in one else ""
        phase = f", phase {one['phase']} of the formula" if one.get("phase") else ""
        lines.append(f"{one['n']:.4g} rows: error {one['error']:.4g}{slope}{phase}")
    return "\n".join(lines)
