"""Where rows come from: contributors' shards and the target set."""

from typing import Literal

from pydantic import Field, field_validator

from mixval.config.base import FrozenModel


class StorageConfig(FrozenModel):
    """How a URL is opened. Secrets are never fields: they come from the environment or from a Prefect block."""

    endpoint_url: str | None = None
    """An S3-compatible endpoint, e.g. `http://127.0.0.1:9000`. None: the environment's (`AWS_ENDPOINT_URL`), else AWS."""
    region: str | None = None
    """The bucket's region. None: the environment's."""
    anonymous: bool = False
    """True reads public buckets without credentials."""
    credentials_block: str | None = None
    """Name of a Prefect `aws-credentials` block that holds the keys. None: the environment's credentials."""


class SourceConfig(FrozenModel):
    """Contributors, target set, and how their columns map to the row contract."""

    contributors: str
    """URL of a folder with one subfolder a contributor (`contributor=NAME/` or `NAME/`) that holds Parquet shards."""
    target: str
    """URL of the target set T: a Parquet file, or a folder of them, real and held out."""
    layout: Literal["folders", "column"] = "folders"
    """`folders`: a contributor is a subfolder. `column`: a contributor is a value of `contributor_column`."""
    contributor_column: str = "contributor"
    """Name of the column that names the contributor when `layout` is `column`."""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """Contract column -> the data's own column, e.g. `{prompt: question}`. A list is joined by a blank line, blanks left
    out: `{prompt: [instruction, input]}`. `{messages: NAME}` takes prompt and response from a chat column."""
    origin: Literal["column", "folder", "real", "synthetic"] = "column"
    """Where a row's origin stands: the `origin` column, an `origin=real/` folder, or one value for all rows."""
    storage: StorageConfig = StorageConfig()
    """How the URLs above and the output are opened."""

    def naming_key(self) -> dict[str, str]:
        """What says whose rows are meant, for fingerprints: a file's digest does not, where a column names contributors."""
        return {"contributor_column": self.contributor_column} if self.layout == "column" else {}

    @field_validator("contributors", "target")
    @classmethod
    def _not_blank(cls, url: str) -> str:
        if not url.strip():
            raise ValueError("a URL or folder is needed, found an empty string")
        return url
