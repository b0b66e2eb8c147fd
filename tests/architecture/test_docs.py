"""Documentation that would mislead fails: links, commands, paths, settings, tables of codes, checks, columns and figures."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.core
import typer.main

from docs import engine_tables, evidence_tables, generate_configuration, generate_figures, sketch_plot, svg
from docs.marked import replaced
from mixval import errors
from mixval.cli.app import app
from mixval.config.gate import GateConfig
from mixval.config.ingestion import IngestionConfig
from mixval.config.load import parse_config, parse_config_as
from mixval.config.synthesis import SynthesisConfig
from mixval.config.tasks import Task
from mixval.config.valuation import PRESETS
from mixval.contracts.results import COALITIONS, REDUNDANCY, ranking_schema
from mixval.contracts.warnings import WARNING_KINDS
from mixval.experiments.config import ExperimentConfig
from mixval.experiments.study.config import StudyConfig
from mixval.gate.checks import Check
from mixval.gate.row_suite import Known, row_checks
from mixval.gate.suite import contributor_checks, repeat_checks, shard_checks, shared_checks
from tests.architecture import docs_pages as pages

ROOT = pages.ROOT
DOCS = ROOT / "docs"
every_page = pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(ROOT)))

BASE: dict[str, Any] = {
    "source": {"contributors": "c", "target": "t"},
    "output": "o",
}
STUDY: dict[str, Any] = {
    **dict.fromkeys(("real", "output"), "x"),
    "synthetic": {"web": "x"},
    "held_out": {"web": "x"},
}
GATE: dict[str, Any] = {
    "task": "text-classification",
    **dict.fromkeys(("inbox", "table", "target", "state"), "x"),
    "backbone": {"random_init": {"architecture": "ngrams"}},
}
BACKBONES: dict[str, dict[str, Any]] = {
    "image-classification": {"random_init": {"architecture": "resnet"}},
    "text-classification": {"random_init": {"architecture": "bert"}, "tokenizer": "byte"},
    "instruction": {"random_init": {"architecture": "llama"}, "tokenizer": "byte"},
}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in pages.anchors(file), target


@every_page
def test_named_paths_exist(page: Path) -> None:
    assert [path for path in pages.named_paths(page) if not (ROOT / path).exists()] == []


@every_page
def test_commands_exist(page: Path) -> None:
    group = typer.main.get_group(app)
    for line in pages.commands(page, "mixval"):
        first, *rest = shlex.split(line)[1:]
        if first.startswith("-"):
            assert first in {option for parameter in group.params for option in parameter.opts} | {"--help"}, line
            continue
        assert first in group.commands, line
        command = group.commands[first]
        if isinstance(command, typer.core.TyperGroup) and rest:
            assert rest[0] in command.commands, line
            command = command.commands[rest[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, line


@every_page
def test_modules_and_make_targets_exist(page: Path) -> None:
    for line in pages.commands(page, "python"):
        words = shlex.split(line)[1:]
        if words[:1] == ["-m"]:
            assert importlib.util.find_spec(words[1]) is not None, line
        else:
            assert (ROOT / words[0]).exists(), line
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {shlex.split(line)[1] for line in pages.commands(page, "make")} <= targets


def test_the_checks_above_find_something() -> None:
    commands = [line for page in pages.PAGES for line in pages.commands(page, "mixval")]
    assert {line.split()[1] for line in commands} >= {"init", "plan", "value", "report", "explain"}
    assert sum(len(pages.links(page)) for page in pages.PAGES) > 20
    assert sum(len(pages.named_paths(page)) for page in pages.PAGES) > 30
    assert len(pages.blocks("yaml")) > 5


@pytest.mark.parametrize("block", pages.blocks("yaml"), ids=lambda block: block.name)
def test_settings_in_examples_are_valid(block: pages.Block) -> None:
    fragment = pages.yaml_of(block)
    if {"policy", "inbox"} & fragment.keys():
        gate = pages.laid_over(GATE, fragment)
        assert fragment.keys() <= parse_config_as(IngestionConfig, gate, where=block.name).model_fields_set
        return
    if "recipe" in fragment and "generator" in fragment:
        assert fragment.keys() <= parse_config_as(SynthesisConfig, fragment, where=block.name).model_fields_set
        return
    if "ratios" in fragment:
        study = pages.laid_over(STUDY, fragment)
        assert fragment.keys() <= parse_config_as(StudyConfig, study, where=block.name).model_fields_set
        return
    if "tail" in fragment:
        assert fragment.keys() <= parse_config_as(ExperimentConfig, fragment, where=block.name).model_fields_set
        return
    images = fragment.get("discrepancy", {}).get("features") == "pixels"
    task = fragment.get("task", "image-classification" if images else "text-classification")
    config = parse_config(pages.laid_over({"task": task, "backbone": BACKBONES[task]} | BASE, fragment), where=block.name)
    assert fragment.keys() <= config.model_fields_set


def test_the_preset_is_documented_as_it_is() -> None:
    [shown] = [pages.yaml_of(block) for block in pages.blocks("yaml") if "weights: davinz" in block.text]
    assert shown | {"backbone": {"batch_norm": "neutral"}} == PRESETS["davinz"]


def test_the_table_of_fields_is_current() -> None:
    text = generate_configuration.FILE.read_text(encoding="utf-8")
    assert text == replaced(text, "fields", generate_configuration.tables()), "run: python -m docs.generate_configuration"
    made = generate_configuration.calibration_tables()
    assert text == replaced(text, "calibration", made), "run: python -m docs.generate_configuration"
    assert all(f"| `{name}` |" in made for name in ("test", "recipe", "seeds", "coalitions", "learning_rate", "trainable"))
    gate = generate_configuration.ingestion_tables()
    assert text == replaced(text, "ingestion", gate), "run: python -m docs.generate_configuration"
    assert all(f"| `{name}` |" in gate for name in ("inbox", "policy", "rules", "quantity", "most", "freshness"))


def test_the_table_of_a_synthesis_is_current() -> None:
    text, made = generate_configuration.FILE.read_text(encoding="utf-8"), generate_configuration.synthesis_tables()
    assert text == replaced(text, "synthesis", made), "run: python -m docs.generate_configuration"
    assert all(f"| `{name}` |" in made for name in ("recipe", "max_chars", "batch_rows", "retries", "top_p", "leakage_words"))


def test_the_table_of_a_study_is_current() -> None:
    text, made = generate_configuration.FILE.read_text(encoding="utf-8"), generate_configuration.study_tables()
    assert text == replaced(text, "study", made), "run: python -m docs.generate_configuration"
    assert all(f"| `{name}` |" in made for name in ("ratios", "budgets", "most_epochs", "batch_tokens", "ffn_multiple"))


def test_the_table_of_an_experiment_is_current() -> None:
    text, made = generate_configuration.FILE.read_text(encoding="utf-8"), generate_configuration.experiment_tables()
    assert text == replaced(text, "experiment", made), "run: python -m docs.generate_configuration"
    assert all(f"| `{name}` |" in made for name in ("rows", "tail", "sizes", "replicates", "beta", "cut", "real"))


@pytest.mark.parametrize(("page", "part", "made"), generate_figures.BLOCKS)
def test_the_figures_are_current(page: Path, part: str, made: Callable[[], str]) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == replaced(text, part, made()), "run: python -m docs.generate_figures"


def test_the_plot_is_current() -> None:
    """By what it was drawn from: another release of matplotlib may write another file."""
    assert svg.digest(generate_figures.plot_points()) in generate_figures.PLOT.read_text(encoding="utf-8")
    curves = svg.digest(generate_figures.mixture_curves())
    assert curves in generate_figures.CURVES_PLOT.read_text(encoding="utf-8")


def test_a_plot_of_the_same_figures_is_the_same_file() -> None:
    figures = [_figure("sketch_term_error/mlp/q_512", 0.5), _figure("sketch_term_error/mlp/q_1024/unbiased", 0.25)]
    found = sketch_plot.points(figures)
    assert found == {"mlp": {"": [(512, 0.5)], "unbiased": [(1024, 0.25)]}}
    drawn = sketch_plot.drawn(found)
    assert drawn == sketch_plot.drawn(found)
    assert all(word in drawn for word in ("mlp", "512", "1024", "as sketched", "without its bias", svg.digest(found)))
    assert "stated" not in drawn
    assert "<svg" in sketch_plot.drawn({})
    assert sketch_plot.error_table(found).splitlines()[2:] == ["| 512 | 50 % / - / - |", "| 1,024 | - / 25 % / - |"]


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (1.3, "<= 1.3", True),
        (1.31, "<=1.3", False),
        (2.0, ">= 1e1", False),
        (0.0, "0", True),
        (5.0, "-", None),
        (5.0, "about 1", None),
        (None, "<= 1", False),
    ],
)
def test_targets_are_judged_where_they_say_how(value: float | None, target: str, met: bool | None) -> None:
    assert engine_tables.is_met(_figure("any", value, target)) is met


def test_any_name_finds_a_table() -> None:
    names = [
        "speedup_over/trak/mlp",
        "speedup_over_trak",
        "plan_rows",
        "new thing|x",
        "ratio/a",
        "ratio/a/lowest",
        "ratio/a/highest",
    ]
    figures = [_figure(name, float(i), "<= 5") for i, name in enumerate(names)]
    found = engine_tables.grouped(figures)
    assert [line for line in found.splitlines() if line.startswith("#")] == [
        "### Against other libraries",
        "### Many contributors in a plan",
        "### New thing\\|x",
        "### A gradient pass over a plain forward and backward pass",
    ]
    assert "| speedup_over/trak/mlp | 0 | <= 5 | 1 | yes | `x` |" in found
    assert "| ratio/a | 4 (5 to 6) | <= 5 | 1 | yes | `x` |" in found
    assert "highest" not in found
    unjudged = [*figures, _figure("loose", 1.0, "-"), _figure("loose/lowest", 1.0, "-")]
    assert "loose" not in engine_tables.with_targets(unjudged)
    assert engine_tables.with_targets(unjudged).count("\n") == 1 + 5


def test_the_evidence_is_a_table_of_methods_best_first() -> None:
    names = {
        "spearman/w/size": 0.2,
        "spearman/w/ntk-regression": 0.8,
        "rival_mean_spearman/size": 0.2,
        "mean_spearman": 0.8,
    }
    ends = {f"{name}/{end}": value + by for name, value in names.items() for end, by in (("low", -0.1), ("high", 0.1))}
    more = {"gain_p_holm/size": 0.004, "seconds/size": 1.5, "peak_bytes/size": 3e6, "ceiling/w": 0.95, "noise_rise": 0.1}
    more["seed_agreement/w"] = 0.9
    figures = [_figure(name, value) for name, value in (names | ends | more).items()]
    found = evidence_tables.evidence([*figures, _figure("spearman/w/size/reduced", 0.3)])
    lines = found.splitlines()
    assert lines[2:8] == [
        "| method | w | mean | p | seconds | MB |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `ntk-regression` | 0.80 (0.70 to 0.90) | 0.80 (0.70 to 0.90) |  |  |  |",
        "| `size` | 0.20 (0.10 to 0.30) | 0.20 (0.10 to 0.30) | 0.004 | 1.5 | 3 |",
        "| *two trainings* | 0.90 |  |  |  |  |",
        "| *ceiling* | 0.95 |  |  |  |  |",
    ]
    others = [_figure(f"spearman/w/{name}", 0.3 - at / 100) for at, name in enumerate("abcdef")]
    assert evidence_tables.summary([*figures, *others]).splitlines() == [
        "| method | w | mean |",
        "| --- | --- | --- |",
        "| `ntk-regression` | 0.80 (0.70 to 0.90) | 0.80 (0.70 to 0.90) |",
        *(f"| `{name}` | {0.3 - at / 100:.2f} |  |" for at, name in enumerate("abcd")),
        "| `size` | 0.20 (0.10 to 0.30) | 0.20 (0.10 to 0.30) |",
        "| *two trainings* | 0.90 |  |",
    ]
    assert "| `size` | 0.30 |  |  |  |  |" in lines[lines.index("### The reduced worlds") :]
    assert "| noise_rise | 0.1 | - | 1 |  | `x` |" in lines


def test_studies_are_tables_that_name_their_command() -> None:
    held = {
        "kendall_100": 0.5,
        "kendall_400": 0.8,
        "kendall_400/next": 0.7,
        "kendall_100/gradient-rows": 0.65,
        "words/kendall_100/spearman": 0.9,
        "words/kendall_100": 0.35,
        "words/kendall_100/eq8-equal-z/counts-of-subset": 0.25,
        "kendall_switch/lambda/0.1": 0.9,
        "ablation/w/m/spearman": 0.4,
        "ablation/w/m/ntk.output: a/b/gain": 0.1,
        "ablation/w/m/ntk.output: a/b/low": -0.2,
        "ablation/w/m/ntk.output: a/b/high": 0.3,
        "rate/w/untrained": -4.63,
        "rate/w/3e-05/median_gain": 0.0041,
        "rate/w/3e-05/helped": 0.8,
        "rate/w/3e-05/spearman": 0.91,
        "rate/w/0.0001/median_gain": -0.005,
        "attacks/w/copy/gain/ours": 5.0,
        "attacks/w/copy/truth_gain": 0.0,
        "attacks/w/copy/works": 1,
        "attacks/w/copy/noticed_by": 2,
        "attacks/w/pad/gain/ours": -0.5,
        "attacks/w/pad/after_gate_gain": 1.5,
        "attacks/w/pad/works": 0,
        "attacks/w/pad/noticed_by": 0,
        "attacks/w/works": 1,
        "attacks/w/unnoticed": 0,
    }
    targets = {"kendall_400": ">= 0.9"}
    figures = [_figure(name, value, targets.get(name, "-")) for name, value in held.items()]
    lines = evidence_tables.evidence([*figures, _figure("reduced/kendall_100", 0.33)]).splitlines()
    for line in (
        "### How few rows give the same ranking",
        "| world | form | 100 rows | 400 rows |",
        "| large | rows-read | 0.500 | **0.800** |",
        "| large | gradient-rows | 0.650 |  |",
        "| words | rows-read | 0.350 (0.900) |  |",
        "| words | eq8-equal-z, counts-of-subset | 0.250 |  |",
        "| large | lambda | 0.1 | 0.90 |",
        "### What matters to a ranking",
        "| `m` | w |",
        "| Spearman of the base | 0.40 |",
        "| ntk.output: a/b | +0.10 (-0.20 to 0.30) |",
        "### What cheating gains",
        "| attack in w | `ours` | truth | after the gate | works | noticed by |",
        "| `copy` | +5.0 | +0.0 | rejected | yes | 2 |",
        "| `pad` | -0.5 |  | +1.5 | no | 0 |",
        "1 of 2 attacks work, 0 of them unnoticed. By `x`.",
        "### Rates that truth trains with",
        "| w | 3e-05 | -4.630 | **+0.0041** | 80% | 0.91 |",
        "| w | 0.0001 | -4.630 | -0.0050 |  |  |",
    ):
        assert line in lines, line
    assert lines.count("By `x`.") == 4
    apart = lines.index("### How few rows give the same ranking in the reduced worlds")
    assert "| large | rows-read | 0.330 |" in lines[apart:]
    assert not [line for line in lines if "next" in line or line in ("### Kendall", "### Attacks")]
    assert evidence_tables.evidence([]) == ""


def _figure(name: str, value: float | None, target: str = "-") -> dict[str, Any]:
    return dict.fromkeys(generate_figures.COLUMNS, "x") | {"name": name, "figure": value, "target": target, "unit": "1"}


def test_figures_are_rendered_with_where_they_come_from(tmp_path: Path) -> None:
    figure = dict.fromkeys(generate_figures.COLUMNS, "x") | {"name": "main job", "figure": "12 s", "commit": "abc123"}
    results = tmp_path / "main_job.json"
    results.write_text(json.dumps([figure]), encoding="utf-8")
    table = generate_figures.block(generate_figures.main_job, results)
    assert "| main job | 12 s | x | `x` |" in table
    assert "commit `abc123`" in table
    results.write_text(json.dumps([figure | {"commit": " "}]), encoding="utf-8")
    with pytest.raises(ValueError, match="commit"):
        generate_figures.block(generate_figures.main_job, results)


def test_exit_codes_are_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", (DOCS / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    shown = {name: int(code) for code, names in rows for name in re.findall(r"`(\w+)`", names)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MixvalError)]
    assert shown == {kind.__name__: kind.exit_code for kind in kinds}


def test_every_page_is_on_the_site() -> None:
    site = (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert sorted(re.findall(r"- ([\w-]+\.md)", site)) == sorted(page.name for page in DOCS.glob("*.md"))


def test_the_runbook_has_every_exit_code_error_and_warning() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MixvalError)]
    assert re.findall(r"^\| `(\w+Error)` \| \S", text, re.MULTILINE) == [kind.__name__ for kind in kinds]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \| \S", text, re.MULTILINE)}
    shown = re.findall(r"^\| ([\d, ]+) \|", (DOCS / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert codes == {int(code) for row in shown for code in row.split(",")}
    warned = re.findall(r"^\| `([\w-]+)` \| (serious|caution|note) \| \S", text, re.MULTILINE)
    assert sorted(warned) == sorted(WARNING_KINDS.items())


def test_every_check_of_the_gate_is_documented_with_its_severity() -> None:
    rows = re.findall(
        r"^\| [\w ]+ \| `(\w+)` \| (warn|drop|reject) \|", (DOCS / "gate.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(rows) == {(re.sub(r"^(text|prompt|response)(?=_|$)", "COLUMN", one.column), one.severity) for one in _checks()}


def test_every_warning_and_column_is_documented() -> None:
    spans = set(pages.SPAN.findall((DOCS / "reports.md").read_text(encoding="utf-8")))
    assert set(WARNING_KINDS) <= spans
    assert {*ranking_schema().names, *COALITIONS.names, *REDUNDANCY.names} <= spans


def _checks() -> list[Check]:
    limits = GateConfig()
    found = [*repeat_checks("text"), *shared_checks(limits)]
    for task in get_args(Task):
        found += [*shard_checks(task), *contributor_checks(task, limits)]
        for overlong in ("truncate", "reject"):
            tokens = task != "image-classification"
            found += row_checks(task, limits, Known([0, 1], "8x8"), has_tokens=tokens, max_length=8, overlong=overlong)
    return found
