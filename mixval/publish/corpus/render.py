"""The page of corpus statistics: one self-contained HTML file without scripts or requests; its policy forbids both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from mixval.publish.corpus.distance_chart import distance_chart
from mixval.publish.corpus.panels import Curve, loss_chart, rank_chart, spread_places, token_chart
from mixval.publish.names import visible
from mixval.publish.numerals import MINUS, compact, count, counted, percent
from mixval.publish.report.theme import LAYOUTS
from mixval.publish.templates import templates

STATISTICS = {
    "tokens_a_document": "Tokens a document",
    "zipf": "Zipf s",
    "count_exponent": "Exponent of counts",
    "entropy": "Entropy",
    "missing_mass": "Missing mass",
    "distinct_1": "Distinct 1",
    "distinct_2": "Distinct 2",
    "distinct_3": "Distinct 3",
    "next_token_concentration": "Next-token concentration",
    "compression_ratio": "Compression",
}
DISTANCES = {
    "kl": "KL", "kl_floor": "KL of its size", "js": "JS", "cross_entropy": "Cross entropy", "token_coverage": "Tokens covered",
    "type_coverage": "Types covered",
}  # fmt: skip
SUPPORT = {"distinct_1": "Tokens", "distinct_2": "Pairs", "distinct_3": "Triples"}


def render_corpora(document: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> str:
    """The page as HTML text; the same results give the same text."""
    style = resources.files("mixval.publish.report").joinpath("report.css").read_text(encoding="utf-8")
    whole = [one for one in document["corpora"] if one["part"] == "all" and not one["is_target"]]
    words = f"{counted(len(whole), 'panel')}, one a corpus; the tables that lie beside this page have every number."
    first = document["targets"][0]
    text: str = (
        templates("mixval.publish.corpus")
        .get_template("page.html.j2")
        .render(
            style=Markup(style),  # noqa: S704  (our own file)
            headline=_headline(whole, first),
            tokenizer=visible(str(document["tokenizer"]["kind"])),
            n_tokens=count(document["tokenizer"]["n_tokens"]),
            level=percent(document["level"]),
            equal=count(document["equal_tokens"]),
            reference=visible(document["reference"]),
            has_model=document["has_model"],
            statistic_names=list(STATISTICS.values()),
            distance_names=list(DISTANCES.values()),
            support_names=list(SUPPORT.values()),
            corpora=[_corpus(one) for one in document["corpora"]],
            targets=[_target(document, name, at) for at, name in enumerate(document["targets"])],
            support=[_support(one) for one in document["support"]],
            failed=[{"name": visible(one["name"]), "reason": visible(one["reason"])} for one in document["failed"]],
            ranks=[rank_chart(_rank_curves(whole, tables["ranks"], first), layout, words) for layout in LAYOUTS],
            tokens=[token_chart(_token_curves(whole, tables["target_tokens"], first), layout, words) for layout in LAYOUTS],
            losses=[loss_chart(_loss_curves(tables["loss_along"]), layout, words) for layout in LAYOUTS],
        )
    )
    return text


def _headline(whole: Sequence[Mapping[str, Any]], target: str) -> str:
    nearest = min(whole, key=lambda one: one["targets"][target]["kl"]["value"])
    names = counted(len(whole), "corpus").replace("corpuss", "corpora")
    return f"{names}: {visible(nearest['name'])} is nearest to {visible(target)} by its tokens"


def _corpus(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": _name(one),
        "n_documents": count(one["n_documents"]),
        "n_tokens": count(one["n_tokens"]),
        "n_skipped": count(one["n_skipped"]) if one["part"] == "all" else "",
        "cells": [_cell(one["statistics"][name]) for name in STATISTICS],
        "phrases": [f"{_quoted(phrase['text'])} {100 * phrase['low']:.2g} %" for phrase in one["phrases"]],
    }


def _target(document: Mapping[str, Any], name: str, position: int) -> dict[str, Any]:
    rows = [one for one in document["corpora"] if name in one["targets"]]
    shown = [{"name": _name(one), **one["targets"][name]} for one in rows]
    known = sorted((row for row in shown if row["kl"]["value"] is not None), key=lambda row: row["kl"]["value"])
    return {
        "name": visible(name),
        "rows": [_to_target(one, name) for one in rows],
        "charts": [distance_chart(known, visible(name), position, layout) for layout in LAYOUTS],
    }


def _to_target(one: Mapping[str, Any], target: str) -> dict[str, Any]:
    lacking = one["gaps"][target]
    model = lacking["model_loss_share"]
    return {
        "name": _name(one),
        "cells": [_cell(one["targets"][target][name]) for name in DISTANCES],
        "n_gaps": count(lacking["n_gaps"]),
        "share": percent(lacking["target_share"]),
        "loss": percent(lacking["loss_share"]),
        "model": "–" if model is None else percent(model),
        "largest": [
            f"{_quoted(gap['text'])} {gap['corpus_count']:,} for {gap['target_count']:,}" for gap in lacking["largest"]
        ],
    }


def _support(one: Mapping[str, Any]) -> dict[str, Any]:
    part = "" if one["part"] == "all" else f", {one['part']}"
    return {
        "name": visible(one["name"]) + part,
        "against": visible(one["against"]),
        "cells": [_cell(one[name]) for name in SUPPORT],
    }


def _name(one: Mapping[str, Any]) -> str:
    part = "" if one["part"] == "all" else f", {one['part']}"
    return f"{visible(one['name'])}{part}{' (target)' if one['is_target'] else ''}"


def _cell(found: Mapping[str, float | None]) -> dict[str, str]:
    if found["value"] is None:
        return {"value": "cannot tell", "interval": ""}
    if found["low"] is None:
        return {"value": compact(found["value"]), "interval": ""}
    return {"value": compact(found["value"]), "interval": f"{found['low']:.3g} to {found['high']:.3g}".replace("-", MINUS)}


def _quoted(text: str) -> str:
    return "“" + visible(text.replace("\n", "\\n")) + "”"


def _rank_curves(whole: Sequence[Mapping[str, Any]], ranks: pa.Table, target: str) -> list[Curve]:
    behind = _columns(_of(ranks, target), "rank", "share")
    return [
        Curve(
            visible(one["name"]),
            *_columns(_of(ranks, one["name"]), "rank", "share"),
            *behind,
            one["statistics"]["zipf"]["value"],
        )
        for one in whole
    ]


def _token_curves(whole: Sequence[Mapping[str, Any]], shares: pa.Table, target: str) -> list[Curve]:
    own = shares.filter(pc.equal(shares["target"], target))
    found = []
    for one in whole:
        rows = _of(own, one["name"])
        rows = rows.take(pa.array(spread_places(rows.num_rows)))
        behind = _columns(rows, "rank", "target_share")
        found.append(Curve(visible(one["name"]), *_columns(rows, "rank", "share"), *behind))
    return found


def _loss_curves(losses: pa.Table) -> list[Curve]:
    names = dict.fromkeys(losses["corpus"].to_pylist())
    found = []
    for name in names:
        rows = losses.filter(pc.equal(losses["corpus"], name))
        single = _columns(rows, "position", "loss")
        found.append(Curve(visible(name), *_columns(rows, "position", "rolling"), *single))
    return found


def _of(table: pa.Table, name: str) -> pa.Table:
    return table.filter(pc.and_(pc.equal(table["corpus"], name), pc.equal(table["part"], "all")))


def _columns(rows: pa.Table, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    return rows[x].to_numpy().astype(float), rows[y].to_numpy().astype(float)
