"""A run of mixval as a run of MLflow: configuration, ranking, report and counts.

Where it goes is MLflow's own setting: MLFLOW_TRACKING_URI (a database such as sqlite:///mlflow.db, or a server) and
MLFLOW_EXPERIMENT_NAME. Names of contributors are data, which MLflow does not take as names of metrics, so they stand in tables.
"""

from __future__ import annotations

from mixval.publish.results import PublishedValuation
from mixval.storage.root import Location


def write(folder: Location, results: PublishedValuation) -> None:
    """One MLflow run a valuation, nested where the caller has a run of its own. What fails here, mixval warns of by name."""
    import mlflow

    manifest = results.manifest
    with mlflow.start_run(run_name=manifest.run_id, nested=mlflow.active_run() is not None):
        mlflow.set_tags({"mixval.url": folder.url, "mixval.fingerprint": manifest.fingerprint})
        mlflow.log_params({"task": manifest.config["task"], "seed": manifest.config["seed"]})
        mlflow.log_dict(manifest.config, "config.json")
        mlflow.log_metrics(_metrics(results))
        mlflow.log_table(results.ranking.to_pandas(), "ranking.json")
        for name in ("report.html", "ranking.csv"):
            mlflow.log_text(folder.child(name).read_bytes().decode(), name)
        mlflow.log_text("\n".join(warning.words for warning in manifest.warnings), "warnings.txt")


def _metrics(results: PublishedValuation) -> dict[str, float]:
    values = results.ranking["value"].to_pylist()
    counts = {"n_ranked": len(values), "n_warnings": len(results.manifest.warnings)}
    return counts | {"best_value": max(values), "worst_value": min(values)} if values else counts
