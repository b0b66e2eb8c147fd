"""Fits of scaling laws and advice on a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixval.publish.names import shortened
from mixval.publish.numerals import compact, percent

NAME_LIMIT = 60
TOO_FAR = "too far to say"


def print_study(document: dict[str, Any]) -> None:
    """The law, what rolling validation found, planned runs and warnings."""
    console = Console()
    huber = "least squares on log loss" if document["delta"] is None else f"Huber on log loss, delta {document['delta']:g}"
    console.print(f"[bold]{escape(document['formula'])}[/bold], {huber}; {_rolled(document)}")
    console.print(_fitted(document))
    for one in document["predictions"]:
        console.print(escape(_prediction(one)))
    for mixture in document["mixtures"]:
        for line in mixture["warnings"]:
            console.print(escape(f"note: {line}"), style="yellow")


def print_advice(document: dict[str, Any], warnings: list[str]) -> None:
    """The mixtures at the plan, then crossings and warnings."""
    console = Console()
    plan = ", ".join(f"{name} {compact(value)}" for name, value in document["plan"].items())
    view = _grid(f"At {plan}, the best first; intervals at {percent(document['level'])}")
    heads = ("loss", "best in", f"data of {document['reference']} for the same loss", "10 % more data changes the loss by")
    view.add_column("mixture", overflow="fold")
    for head in heads:
        view.add_column(escape(head), justify="right")
    for one in document["mixtures"]:
        name = escape(shortened(one["mixture"], NAME_LIMIT))
        if one["too_far_to_say"]:
            view.add_row(name, TOO_FAR, "–", "–", "–")
            continue
        saved = one["data_of_reference_for_the_same"]
        is_reference = one["mixture"] == document["reference"]
        times = "–" if is_reference else TOO_FAR if saved["value"] is None else f"{_spread(saved, '{:.3g}')} times the plan's"
        change = _spread(one["loss_change_by_ten_per_cent_more_data"], "{:.2%}")
        view.add_row(name, _spread(one["loss"], "{:.4g}"), f"{percent(one['best_share'])} of draws", times, change)
    console.print(view)
    for one in document["crossings"]:
        console.print(escape(_crossing(one)))
    for one in document["worth"]:
        console.print(escape(_worth(one, document["reference"])))
    for one in document["mixtures"]:
        if one["too_far_to_say"]:
            console.print(escape(f"{shortened(one['mixture'], NAME_LIMIT)}: {TOO_FAR}: {one['too_far_to_say']}"))
    for line in warnings:
        console.print(escape(f"note: {line}"), style="yellow")


def _fitted(document: dict[str, Any]) -> Table:
    """A line a number: beside each other, five of them with their intervals are wider than a log."""
    view = _grid(f"Fitted numbers with {percent(document['level'])} intervals")
    view.add_column("mixture", overflow="fold")
    view.add_column("", no_wrap=True)
    for head in ("value", "interval"):
        view.add_column(head, justify="right", no_wrap=True)
    for one in document["mixtures"]:
        name = escape(shortened(one["mixture"], NAME_LIMIT))
        for number, fitted in one["fitted"].items():
            view.add_row(name, number, *_spread(fitted, "{:.4g}").split("\n"))
            name = ""
        view.add_row("", "noise", f"{one['relative_noise']:.2%}", f"of {one['n_runs']} runs")
        view.add_row("", "starts", percent(one["share_at_best"]), "at the best", end_section=True)
    return view


def _rolled(document: dict[str, Any]) -> str:
    errors = document["candidates"][0]["rolling_error"]
    if not errors:
        return "too few runs for rolling validation"
    found = " and ".join(f"{error:.2%} along {axis}" for axis, error in errors.items())
    return f"fits to smaller runs miss larger ones by {found}"


def _prediction(one: dict[str, Any]) -> str:
    place = ", ".join(f"{name} {compact(one[name])}" for name in ("params", "tokens") if name in one)
    name = shortened(one["mixture"], NAME_LIMIT)
    if one["too_far_to_say"]:
        return f"{name} at {place}: {TOO_FAR}: {one['too_far_to_say']}"
    return f"{name} at {place}: loss {one['value']:.4f}, a run's between {one['low']:.4f} and {one['high']:.4f}"


def _crossing(one: dict[str, Any]) -> str:
    below, above = (shortened(one[side], NAME_LIMIT) for side in ("below", "above"))
    words = f"{below} is better below {compact(one['tokens'])} tokens, {above} beyond"
    if one["low"] is None:
        return f"{words}; only {percent(one['share'])} of draws cross within the range: where is {TOO_FAR}"
    return f"{words} ({compact(one['low'])} to {compact(one['high'])}; {percent(one['share'])} of draws cross)"


def _worth(one: dict[str, Any], reference: str) -> str:
    name, against = shortened(one["mixture"], NAME_LIMIT), shortened(reference, NAME_LIMIT)
    rate, stop = one["per_cent_of_reference_for_one_more"], one["stops_paying_at"]
    if rate["value"] is None:
        words = f"{name}: what more of it is worth in {against} is {TOO_FAR}"
    else:
        worth = f"{rate['value']:.2f} % more {against} ({rate['low']:.2f} to {rate['high']:.2f})"
        phase = "whether it is on a plateau cannot be told" if one["phase"] == "cannot be told" else one["phase"]
        words = f"{name}: 1 % more of it is worth {worth}; {phase}"
    if stop["value"] is None:
        return words
    ends = f"{compact(stop['low'])} to {compact(stop['high'])}"
    return f"{words}. Stop buying it beyond {compact(stop['value'])} tokens ({ends}): from there 1 % is worth less than 0.5 %"


def _spread(one: dict[str, float], form: str) -> str:
    value, low, high = (form.format(one[key]).replace("-", "\u2212") for key in ("value", "low", "high"))
    return f"{value}\n{low} to {high}"


def _grid(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
