"""Where rows come from: the contributors' files (shards) and the target set."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from mixval.config.base import FrozenModel

OriginRule = Literal["column", "folder", "real", "synthetic"]
"""Where a row's origin is found."""


class StorageConfig(FrozenModel):
    """How URLs are opened, and how much of a file is decoded. Secrets are never fields: they come from the environment or from
    a Prefect block."""

    endpoint_url: str | None = None
    """An S3-compatible endpoint, e.g. `http://127.0.0.1:9000`. None: `AWS_ENDPOINT_URL` of the environment, else AWS."""
    region: str | None = None
    """The bucket's region. None: that of the environment."""
    anonymous: bool = False
    """Whether to read public buckets without credentials."""
    credentials_block: str | None = None
    """Name of a Prefect `aws-credentials` block with the keys (extra `s3`). None: the credentials of the environment."""
    max_cell_bytes: int = Field(default=64 << 20, gt=0)
    """Most bytes of a cell once decoded: a text, an image, a conversation. A row with a larger one is a bad row."""
    max_decoding_bytes: int = Field(default=2 << 30, gt=0)
    """Most bytes of memory that decoding a piece of a file may take. A file that takes more cannot be read. On a cluster's
    workers (Linux) the system holds it, at half of a worker's memory in any case; elsewhere it goes by what the file says."""


class LimitsConfig(FrozenModel):
    """What a contributor may deliver. One that delivers more is refused by name, its files unread; the others go on."""

    files: int = Field(default=100_000, gt=0)
    """Most files and folders below a contributor's folder, hidden ones included."""
    levels: int = Field(default=16, gt=0)
    """Most folders within one another below a contributor's folder."""
    file_bytes: int = Field(default=32 * 2**30, gt=0)
    """Most bytes of one file."""
    total_bytes: int = Field(default=2**40, gt=0)
    """Most bytes of a contributor's files together."""


class SourceConfig(FrozenModel):
    """Contributors, target set, and how their columns map to the row contract."""

    contributors: str | dict[str, str]
    """URL of a folder with one subfolder per contributor (`contributor=NAME/` or `NAME/`), each with shards in one format:
    Parquet, JSON Lines, CSV or Arrow (docs/data.md). Or the URL of each contributor's folder or file by its name:
    `{alder: ./a, birch: s3://bucket/b.parquet}`."""
    target: str
    """URL of the target set T, real and held-out rows: a file, or a folder of them, in any of these formats."""
    layout: Literal["folders", "column"] = "folders"
    """How contributors are marked. `folders`: one subfolder each. `column`: by the value of `contributor_column`."""
    contributor_column: str = "contributor"
    """Column with the contributor's name when `layout` is `column`."""
    columns: dict[str, str | list[str]] = Field(default_factory=dict)
    """Column of the row contract -> column in the data, e.g. `{prompt: question}`. Several columns are joined by a blank line,
    empty ones skipped: `{prompt: [instruction, input]}`. `{messages: NAME}` takes prompt and response from a chat column
    (docs/data.md)."""
    origin: OriginRule = "column"
    """Where a row's origin (real or synthetic) is found: the `origin` column, a folder `origin=real/`, or one value for all
    rows."""
    limits: LimitsConfig = LimitsConfig()
    """Most that a contributor may deliver."""
    follow_links: bool = False
    """Whether symbolic links in contributors' folders are followed wherever they lead. Without it, only to a file in the same
    contributor's folder; any other link refuses its contributor."""
    storage: StorageConfig = StorageConfig()
    """How the URLs above and the output are opened."""

    def naming_key(self) -> dict[str, str]:
        """Part of the fingerprint where a column names the contributors: then a file's digest alone does not identify a
        contributor's rows."""
        return {"contributor_column": self.contributor_column} if self.layout == "column" else {}

    @field_validator("contributors", "target")
    @classmethod
    def _not_blank(cls, given: str | dict[str, str]) -> str | dict[str, str]:
        if not given or not all(url.strip() for url in (given.values() if isinstance(given, dict) else [given])):
            raise ValueError("expected a URL or folder, found an empty string")
        return given

    @model_validator(mode="after")
    def _named_in_one_way(self) -> "SourceConfig":
        if isinstance(self.contributors, dict) and self.layout == "column":
            raise ValueError("`layout: column` takes contributors from a column, found URLs by name. Leave one of the two out")
        return self
