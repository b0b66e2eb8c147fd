"""Runs the lines of docs/ingestion.md that set up a gate in a bucket, over an S3 server, as they stand there.

    python -m benchmarks.gate.tutorial

Each line is a command of a shell in a folder with three files of sentences whose words tell their class. A line that ends with
another exit code than its comment says, 0 where it says none, ends this. Where no `aws` is installed, one that copies a file by
boto3 takes its place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.gate.races import served

PAGE = Path("docs/ingestion.md")
BUCKET = "s3://lake"
COPY = """#!{python}
import os, sys
from pathlib import Path
import boto3
source, url = sys.argv[-2:]
bucket, _, key = url.removeprefix("s3://").partition("/")
boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL")).upload_file(source, bucket, key + Path(source).name)
"""


def lines() -> list[str]:
    """The commands, without the one that names the store."""
    [block] = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [line for line in block.splitlines() if not line.startswith("export ")]


def expected_code(line: str) -> int:
    """The exit code that a line's comment says."""
    said = re.search(r"# .*?exit code (\d+)", line)
    return int(said[1]) if said else 0


def lay_out(folder: Path) -> dict[str, str]:
    """The files that the commands take, and the environment in which `aws` is found."""
    from tests.gate_world import rows, table

    may = rows(120, start=1_000)
    pq.write_table(table(rows(60, start=0)), folder / "held-out.parquet")
    pq.write_table(table(may), folder / "may.parquet")
    (folder / "june.jsonl").write_text("".join(json.dumps(row) + "\n" for row in may))
    path = os.environ["PATH"]
    if shutil.which("aws") is None:
        program = folder / "bin" / "aws"
        program.parent.mkdir()
        program.write_text(COPY.format(python=sys.executable))
        program.chmod(0o755)
        path = f"{program.parent}{os.pathsep}{path}"
    return {"PATH": path, "COLUMNS": "120", "HF_HUB_OFFLINE": "1"}


def main() -> None:
    """Run the commands. Raises SystemExit where one ends otherwise than its comment says."""
    with tempfile.TemporaryDirectory() as name, served() as (url, environment):
        given = os.environ | environment | lay_out(Path(name))
        for line in lines():
            print(f"$ {line}", flush=True)
            command = line.replace(BUCKET, f"{url}/lake")
            found = subprocess.run(["bash", "-c", command], cwd=name, env=given, check=False).returncode
            if found != expected_code(line):
                raise SystemExit(f"{line}: expected exit code {expected_code(line)}, found {found}.")


if __name__ == "__main__":
    main()
