"""One installation for all tests that only look at it, by `make install` as a user calls it."""

import pytest
from tools import BUILT, ROOT, run


def install(prefix, **more):
    """`make install` of what has been built."""
    variables = [f"{name}={value}" for name, value in {"PREFIX": prefix, **more}.items()]
    return run("make", "-s", "-C", ROOT, "install", *variables, env={"IMAGXP_BUILT": BUILT})


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """A prefix into which the package was installed; not to be changed."""
    folder = tmp_path_factory.mktemp("install") / "opt"
    install(folder)
    return folder
