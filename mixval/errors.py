"""Every error that mixval raises on purpose.

    MixvalError
    ├── ConfigError            the configuration cannot be run as written
    ├── ContractError          rows, shards or targets break the row contract
    │   ├── DamagedRunError    a published file or manifest is not what the run wrote
    │   ├── SchemaError        a table does not have the columns that its schema promises
    │   ├── SchemaVersionError a published table or manifest is of a version that this mixval does not read
    │   ├── ShardError         one file cannot be read as the contract says
    │   └── TargetError        the target set cannot serve as T
    ├── StorageError           a URL cannot be reached, read or written
    │   ├── ConditionUnsupportedError  the store has no conditional writes
    │   ├── ConflictError      another run swapped the pointer first
    │   ├── DamagedRecordError a record of a gate is missing or not as it was written
    │   ├── ChangedFileError   a file of the input is no longer what was listed
    │   ├── NotAFileError      a FIFO, socket, device, folder or outward link stands in the place of a file
    │   ├── TouchedFileError   a file of the input was written or renamed while it was read, its content as before
    │   └── LostArtifactError  a committed artifact is missing or damaged
    ├── ModelError             a backbone cannot be loaded or does not fit the task
    │   └── GeneratorError     what generates text refuses, or answers no more
    ├── ShapeError             tensors do not fit together
    ├── NumericalError         a factorisation or estimate failed, and its diagnostics
    ├── CapacityError          the plan does not fit a worker's memory
    ├── LimitError             a task took more time or memory than it may
    ├── EndedWorkerError       a task ended the process that ran it, time after time
    └── NobodyAdmittedError    no contributor passed the gate

Each message says what was expected, what was found, where, and what to do next. `exit_code` is what the command line
returns for it (see docs/cli.md).
"""


class MixvalError(Exception):
    """Base of every error that mixval raises on purpose."""

    exit_code = 1


class ConfigError(MixvalError):
    """The configuration cannot be run as written."""

    exit_code = 2


class ContractError(MixvalError):
    """Rows, shards or targets break the row contract."""

    exit_code = 4


class DamagedRunError(ContractError):
    """A published file or manifest is missing, or not what the run wrote. The next run publishes again."""


class SchemaError(ContractError):
    """A table does not have the columns that its schema promises."""


class SchemaVersionError(ContractError):
    """A published table or manifest is of a version that this mixval does not read."""


class ShardError(ContractError):
    """One shard cannot be read as the contract says.

    `shard` is its URL, `column` the contract column that is wrong (None: the file itself), `kind` one of `unreadable`,
    `missing-column`, `wrong-type` and `other-classes`.
    """

    def __init__(self, message: str, *, shard: str | None = None, column: str | None = None, kind: str = "unreadable") -> None:
        """The message, with the fields that the gate reports."""
        super().__init__(message)
        self.shard = shard
        self.column = column
        self.kind = kind


class TargetError(ContractError):
    """The target set cannot serve as T."""


class StorageError(MixvalError):
    """A URL cannot be reached, read or written."""

    exit_code = 5


class ConditionUnsupportedError(StorageError):
    """The store has no conditional writes. The writer falls back to plain ones with a warning: it reaches no user."""


class ConflictError(StorageError):
    """Another run swapped the pointer first."""


class DamagedRecordError(StorageError):
    """A record of a gate in front of a table, such as a decision, is missing or not as it was written. It is left as it is.

    `digest` is that of the delivery's bytes whose decision it is; empty for another record.
    """

    def __init__(self, message: str, *, digest: str = "") -> None:
        """The message, with the delivery that it concerns."""
        super().__init__(message)
        self.digest = digest


class ChangedFileError(StorageError):
    """A file of the input is no longer what was listed: what was checked would not be what is measured."""


class NotAFileError(StorageError):
    """What stands in the place of a file is none, such as a FIFO or a folder, or a link that leads out of its folder."""


class TouchedFileError(StorageError):
    """A file of the input was written, replaced or renamed while it was read, its content as before: read it again."""


class LostArtifactError(StorageError):
    """A committed artifact is missing or damaged. What is left of it has been removed, so that it is made again.

    `url` is the damaged file's and `found` says what it holds; both are empty where nothing is there.
    """

    def __init__(self, message: str, *, url: str = "", found: str = "") -> None:
        """The message, with what is told of the damage."""
        super().__init__(message)
        self.url = url
        self.found = found


class ModelError(MixvalError):
    """A backbone cannot be loaded, or does not fit the task."""

    exit_code = 6


class GeneratorError(ModelError):
    """What generates text refuses all requests, or answers no more. Answers that it gave are kept."""


class ShapeError(MixvalError):
    """Tensors do not fit together."""


class NumericalError(MixvalError):
    """A factorisation or an estimate failed."""

    exit_code = 7


class CapacityError(MixvalError):
    """The plan does not fit a worker's memory."""

    exit_code = 8


class LimitError(MixvalError):
    """A task on one contributor's data took more time or memory than the configuration allows, and was ended."""

    exit_code = 8


class EndedWorkerError(MixvalError):
    """A task on one contributor's data ended the process that ran it, time after time."""


class NobodyAdmittedError(MixvalError):
    """No contributor passed the gate."""

    exit_code = 3


def reason_of(error: BaseException) -> str:
    """Why something failed, in words for a table: the message, with the kind of an error that is not of this tree in front."""
    words = str(error) or type(error).__name__
    return words if isinstance(error, MixvalError) else f"{type(error).__name__}: {words}"
