"""`mixval corpus`: what corpora are made of, and how far they are from a target. Texts and a tokenizer, no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixval.cli.exits import errors_shown
from mixval.cli.options import Json
from mixval.errors import ConfigError

if TYPE_CHECKING:
    from mixval.config.source import SourceConfig
    from mixval.stages.corpus.request import CorpusRequest

Corpora = Annotated[
    list[str],
    typer.Argument(
        metavar="CONTRIBUTORS...",
        help="Files or folders of texts, each a contributor, as URL or NAME=URL; or the configuration of a valuation (.yaml), "
        "whose contributors, target and tokenizer are taken.",
        show_default=False,
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="[NAME=]URL", help="A target set to compare with. Repeatable.", show_default=False),
]


By = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Split each contributor by this column's values.", show_default=False),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="NAME=COLUMN", help="Where text or origin stand, as text=body. Repeatable.", show_default=False
    ),
]
TokenizerName = Annotated[
    str | None,
    typer.Option(
        help="A folder with tokenizer.json, a hub's model as NAME@REVISION, or byte. Default: the model's, the "
        "configuration's, or one trained on the first target.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A causal language model (folder, or NAME@REVISION), whose losses on the target are shared out by token.",
        show_default=False,
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Whose support others are compared with. Default: the target.", show_default=False),
]
Workers = Annotated[int, typer.Option(help="Processes that count shards side by side.", min=1)]
OutputRoot = Annotated[
    str | None, typer.Option(metavar="URL", help="Where counts and results are written.", show_default=False)
]


def corpus(
    contributors: Corpora,
    target: Targets = None,
    by: By = None,
    column: Columns = None,
    tokenizer: TokenizerName = None,
    model: Model = None,
    reference: Reference = None,
    workers: Workers = 1,
    output: OutputRoot = None,
    as_json: Json = False,
) -> None:
    """Count the tokens of contributors and say how they differ from the target: Zipf's law, KL, coverage, missing mass, gaps,
    support, repetition, with intervals. Shards that were counted before are not read again."""
    with errors_shown(as_json):
        from dataclasses import replace

        from mixval.cli.corpus_view import print_corpora
        from mixval.cli.progress_view import front_end
        from mixval.progress import shown_by
        from mixval.stages.corpus.measuring import measure_corpora
        from mixval.stages.corpus.publishing import PAGE, publish_corpora
        from mixval.storage.root import open_location

        asked = _asked(contributors, target or [], by, _columns(column or []), output)
        asked = replace(_tokenised(asked, tokenizer, model), reference=reference, n_workers=workers)
        with front_end(as_json) as progress, shown_by(progress):
            measured = measure_corpora(asked)
            folder = publish_corpora(open_location(asked.output, asked.corpora[0][1].storage), measured)
        if as_json:
            typer.echo(json.dumps({**measured.document, "folder": folder.url}, indent=2))
        else:
            print_corpora(measured.document)
            typer.echo(f"Page: {folder.url}/{PAGE}")


def _tokenised(asked: CorpusRequest, tokenizer: str | None, model: str | None) -> CorpusRequest:
    """The request with the tokenizer and the model that the options name; a model's tokenizer where they name no other."""
    from dataclasses import replace

    from mixval.stages.corpus.request import backbone_of, model_of

    if model is not None:
        asked = replace(asked, model=model_of(model), backbone=model_of(model))
    elif tokenizer is not None:  # another one than that of the configuration's model
        asked = replace(asked, model=None)
    return asked if tokenizer is None else replace(asked, backbone=backbone_of(tokenizer))


def _asked(
    contributors: list[str], targets: list[str], by: str | None, columns: dict[str, str | list[str]], output: str | None
) -> CorpusRequest:
    """What the arguments ask for, or the configuration that they name."""
    from dataclasses import replace

    from mixval.stages.corpus.request import CorpusRequest, named_url, request_of

    if len(contributors) == 1 and contributors[0].endswith((".yaml", ".yml")):
        from mixval.config.load import load_config

        if targets or by or columns:
            raise ConfigError("corpus: expected a configuration alone, found --target, --by or --column too. Leave them out.")
        asked = request_of(load_config(Path(contributors[0])))
        return asked if output is None else replace(asked, output=output)
    if not targets or output is None:
        raise ConfigError("corpus: expected --target and --output with files and folders. Give both, or a configuration.")
    named = [named_url(one) for one in targets]
    return CorpusRequest(
        corpora=tuple((name, _source(name, url, named[0][1], by, columns)) for name, url in map(named_url, contributors)),
        targets=tuple((name, _source(name, url, url, None, columns)) for name, url in named),
        output=output,
    )


def _source(name: str, url: str, target: str, by: str | None, columns: dict[str, str | list[str]]) -> SourceConfig:
    from mixval.config.source import SourceConfig

    if by is not None:
        return SourceConfig(contributors=url, target=target, columns=columns, layout="column", contributor_column=by)
    return SourceConfig(contributors={name: url}, target=target, columns=columns)


def _columns(given: list[str]) -> dict[str, str | list[str]]:
    pairs = [one.partition("=") for one in given]
    if wrong := [
        one for one, (name, _, column) in zip(given, pairs, strict=True) if name not in ("text", "origin") or not column
    ]:
        raise ConfigError(f"--column: expected text=COLUMN or origin=COLUMN, found {wrong[0]!r}. Correct it.")
    return {name: column for name, _, column in pairs}
