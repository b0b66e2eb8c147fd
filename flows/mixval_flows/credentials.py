"""Storage credentials from a Prefect block into this process's environment, where every S3 client looks for them."""

import os
from typing import cast

from mixval.errors import ConfigError
from mixval.installing import install_command


def load_credentials(named: str | None) -> None:
    """Export the keys of the `aws-credentials` block `named`, if one is (`source.storage.credentials_block`).

    Nothing is logged, nothing is written. Raises ConfigError for a block that is not there.
    """
    if named is None:
        return
    try:
        from prefect_aws import AwsCredentials
    except ImportError as error:
        raise ConfigError(
            f"source.storage.credentials_block: expected prefect-aws, found none. Run: {install_command('s3')}"
        ) from error
    try:
        block = cast("AwsCredentials", AwsCredentials.load(named))
    except ValueError as error:
        raise ConfigError(
            f"source.storage.credentials_block: expected an aws-credentials block {named!r}, found none. "
            "Create it with `prefect block create aws-credentials`."
        ) from error
    secret = block.aws_secret_access_key
    token = block.aws_session_token
    found = {
        "AWS_ACCESS_KEY_ID": block.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else None,
        "AWS_SESSION_TOKEN": token,
        "AWS_DEFAULT_REGION": block.region_name,
    }
    os.environ.update({name: value for name, value in found.items() if value})
