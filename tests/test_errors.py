"""What a disk refuses is one sentence with a way out."""

import errno
import os

import pytest

from scaffold.errors import of_disk


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "check who may write"),
        (errno.EIO, "mend that"),
    ],
)
def test_what_and_where_and_the_remedy_are_said(number, remedy):
    said = of_disk(OSError(number, os.strerror(number), "/shop"))
    assert said.startswith(f"{os.strerror(number)} at /shop; {remedy}")


def test_an_error_without_a_number_is_said_as_it_is():
    assert of_disk(OSError("odd")) == "odd; mend that and try again"
