"""The bill of materials: everything that mixval requires and what that requires, with versions as installed."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.house.sbom import bill


def test_the_bill_has_all_that_is_required_and_nothing_else() -> None:
    made = bill(["s3"])
    versions = {one["name"]: one["version"] for one in made["components"]}
    wanted = [Requirement(text) for text in metadata.requires("mixval") or ()]
    own = {canonicalize_name(one.name) for one in wanted if one.marker is None}
    assert own <= set(versions)
    assert {"boto3", "prefect-aws", "distributed"} <= set(versions)
    assert not {"pytest", "mypy", "mkdocs-material"} & set(versions)  # of the extra `dev` alone
    assert all(version == metadata.version(name) for name, version in versions.items())


def test_every_component_is_reached_from_mixval() -> None:
    made = bill()
    edges = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    reached, todo = set[str](), [made["metadata"]["component"]["bom-ref"]]
    while todo:
        reached.add(ref := todo.pop())
        todo += [one for one in edges[ref] if one not in reached]
    assert reached == {one["bom-ref"] for one in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
