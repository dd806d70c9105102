"""Fixtures: one nginx per test file unless a test needs its own; none of them may leave a crash behind."""

import pytest
from instance import Nginx
from servers import Manifests
from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def manifests():
    """A server of manifests that ends with the test."""
    server = Manifests()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path):
    """Starts instances that end with the test: start(http, workers=2, …)."""
    running = []

    def begin(http, name="nginx", **options):
        nginx = Nginx(tmp_path / f"{name}{len(running)}", http, **options)
        nginx.__enter__()
        running.append(nginx)
        return nginx

    yield begin
    for nginx in running:
        nginx.__exit__()
    for nginx in running:
        assert nginx.crashed() == []
