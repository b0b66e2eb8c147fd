"""The run that most tests of this room look at."""

import pytest
from published_run import Results, make_results


@pytest.fixture(scope="session")
def results() -> Results:
    """12 contributors ranked, one rejected, one failed."""
    return make_results()
