"""The data of tiny runs."""

import pytest

from tests.training.tiny_run import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))
