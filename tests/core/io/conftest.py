"""What tests of reading and writing share."""

from __future__ import annotations

import pytest

from unblur.errors import UnblurError


@pytest.fixture(scope="session")
def attempt():
    """A function that calls another and returns (result, None), or (None, the refusal's text).

    Any error that is not meant for users passes through and fails the test.
    """

    def run(action, *args, **options):
        try:
            return action(*args, **options), None
        except UnblurError as error:
            return None, str(error)

    return run
