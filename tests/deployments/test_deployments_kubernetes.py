"""Manifests for Kubernetes: of the schemas of the API and of Dask's operator, without rights, and within limits."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deployments" / "kubernetes"
MANIFESTS = [
    pytest.param(one, id=f"{file.stem}-{one['kind']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
]
CRDS = ("operator", "deployment", "helm", "dask-kubernetes-operator", "crds")
VERSION = "1.33"
"""Of the API that manifests are validated against."""


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The specs of all pods that a manifest describes."""
    if isinstance(manifest.get("containers"), list):
        return [manifest]
    return [pod for value in manifest.values() if isinstance(value, dict) for pod in pods(value)]


ALL_PODS = [pod for one in MANIFESTS for pod in pods(one.values[0])]


@pytest.mark.kubernetes
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_manifests_are_of_their_schemas(manifest: dict[str, Any]) -> None:
    import kubernetes_validate

    if not manifest["apiVersion"].startswith("kubernetes.dask.org/"):
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        return
    name = f"{manifest['kind'].lower()}.yaml"
    crds = resources.files("dask_kubernetes").joinpath(*CRDS, name).read_text(encoding="utf-8")
    [version] = yaml.safe_load(crds)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.validate(manifest["spec"], _closed(schema["properties"]["spec"]))
    for pod in pods(manifest):
        as_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod}
        kubernetes_validate.validate(as_pod, VERSION, strict=True)


def _closed(schema: Any) -> Any:
    """The schema without references, which are those of the API, and which takes no field that it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict) or "$ref" in schema:
        return schema if not isinstance(schema, dict) else {}
    made = {key: _closed(value) for key, value in schema.items()}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields", False)
    return made | {"additionalProperties": False} if "properties" in schema and not keeps else made


def test_there_is_a_worker_of_prefect_and_a_scheduler_with_workers_of_dask() -> None:
    assert len(ALL_PODS) == 3
    commands = [" ".join(container["command"][:3]) for pod in ALL_PODS for container in pod["containers"]]
    assert sorted(commands) == ["dask scheduler", "dask worker --name", "prefect worker start"]


def test_everything_is_in_one_namespace_that_restricts_pods() -> None:
    made = [one.values[0] for one in MANIFESTS]
    [namespace] = [one for one in made if one["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {one["metadata"].get("namespace") for one in made if one is not namespace} == {namespace["metadata"]["name"]}


@pytest.mark.parametrize("pod", ALL_PODS, ids=lambda pod: pod["containers"][0]["name"])
def test_pods_have_no_rights_and_are_bounded(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} == set(container["resources"]["limits"]) == set(container["resources"]["requests"])
        mounted = {one["name"] for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in pod["volumes"]}
        assert all("sizeLimit" in one["emptyDir"] for one in pod["volumes"])
        assert ":" in container["image"]
        assert not container["image"].endswith(":latest")


def test_no_secret_is_written_down() -> None:
    assert not [one for one in MANIFESTS if one.values[0]["kind"] == "Secret"]
    named = [env["name"] for pod in ALL_PODS for one in pod["containers"] for env in one.get("env", []) if "value" in env]
    assert not [name for name in named if "KEY" in name or "SECRET" in name or "TOKEN" in name]


def test_one_thread_a_worker_with_less_memory_than_its_pod() -> None:
    [worker] = [one for pod in ALL_PODS for one in pod["containers"] if one["name"] == "worker" and one["command"][0] == "dask"]
    given = dict(zip(worker["command"][2::2], worker["command"][3::2], strict=True))
    assert given["--nthreads"] == "1"
    assert int(given["--memory-limit"].removesuffix("GiB")) < int(worker["resources"]["limits"]["memory"].removesuffix("Gi"))
