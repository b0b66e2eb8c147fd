"""The command that adds one of mixval's extras to this environment, from where mixval itself was installed."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution


def install_command(extra: str = "") -> str:
    """`pip install 'mixval[gs]'`, or with the folder or file that mixval was installed from in place of an index."""
    wanted = f"[{extra}]" if extra else ""
    try:
        told = distribution("mixval").read_text("direct_url.json")  # PEP 610: absent where an index was asked
    except PackageNotFoundError:
        told = None
    origin = json.loads(told) if told else {}
    url = str(origin.get("url", ""))
    if "dir_info" not in origin:
        return f"pip install 'mixval{wanted}{f' @ {url}' if url else ''}'"
    editable = "-e " if origin["dir_info"].get("editable") else ""
    return f"pip install {editable}'{url.removeprefix('file://')}{wanted}'"
