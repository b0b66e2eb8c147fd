"""A bill of materials of what an installation of mixval brings: `make sbom` writes build/sbom.cdx.json, CycloneDX 1.5.

From the metadata of the packages that are installed here, following what mixval and the given extras require.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path("build/sbom.cdx.json")


def bill(extras: Sequence[str] = ()) -> dict[str, Any]:
    """The document for mixval with these extras."""
    needs: dict[str, list[str]] = {}
    todo = [("mixval", tuple(extras))]
    seen = set(todo)
    while todo:
        name, of = todo.pop()
        found = list(_required(name, of))
        needs.setdefault(name, [])
        needs[name] = sorted({*needs[name], *(one for one, _ in found)})
        fresh = [one for one in found if one not in seen]
        seen.update(fresh)
        todo += fresh
    components = [_component(name) for name in sorted(needs)]
    refs = {one["name"]: one["bom-ref"] for one in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": next(one for one in components if one["name"] == "mixval") | {"type": "application"}},
        "components": [one for one in components if one["name"] != "mixval"],
        "dependencies": [{"ref": refs[name], "dependsOn": [refs[one] for one in needs[name]]} for name in sorted(needs)],
    }


def _required(name: str, extras: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a package requires on this machine, with these extras: those that are installed."""
    for text in metadata.requires(name) or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found = canonicalize_name(wanted.name)
            if _is_installed(found):
                yield found, tuple(sorted(wanted.extras))


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _component(name: str) -> dict[str, Any]:
    told = metadata.metadata(name)
    version = metadata.version(name)
    purl = f"pkg:pypi/{name}@{version}"
    made = {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
    if licence := told.get("License-Expression"):
        made["licenses"] = [{"expression": licence}]
    elif named := [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or () if one.startswith("License ::")]:
        made["licenses"] = [{"license": {"name": one}} for one in named]
    return made


def main() -> None:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="of mixval; repeatable")
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args()
    given.file.parent.mkdir(parents=True, exist_ok=True)
    made = bill(given.extra)
    given.file.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.file}: {len(made['components'])} packages")


if __name__ == "__main__":
    main()
