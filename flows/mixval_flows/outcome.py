"""A run that has published is a success, whatever ends afterwards: the API, a worker, or the wish to go on."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from prefect import Flow

from mixval import stopping
from mixval.config.base import FrozenModel


@dataclass
class _Kept:
    flow: str
    summary: FrozenModel | None = None


_KEPT: ContextVar[_Kept | None] = ContextVar("mixval_kept", default=None)


def run_to_publication(flow: Flow[..., Any], config: FrozenModel) -> FrozenModel:
    """The flow's summary; also where something fails once its result is published. Raises what the flow raises before."""
    kept = _Kept(flow.name)
    stopping.begin()
    token = _KEPT.set(kept)
    try:
        return cast("FrozenModel", flow(config))
    except BaseException:
        if (after := kept.summary) is None:
            raise
        return after
    finally:
        _KEPT.reset(token)


def published(flow: str, summary: FrozenModel) -> None:
    """The flow of this name has published its result. One that runs inside another's run ends nothing by it."""
    kept = _KEPT.get()
    if kept is not None and kept.flow == flow:
        kept.summary = summary
        stopping.over()
