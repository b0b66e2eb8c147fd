"""The routes by the name that `ntk.method` has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixval.stages.routes.base import Route
from mixval.stages.routes.exact import ExactRoute
from mixval.stages.routes.sketched import SketchedRoute

ROUTES: Mapping[str, Route[Any]] = {route.name: route for route in (ExactRoute(), SketchedRoute())}


def route_of(method: str) -> Route[Any]:
    """The way of measuring that `ntk.method` names."""
    return ROUTES[method]
