"""Fixtures that several files use."""

import subprocess

import pytest

from server import APUS, ROOT, TEST_MODELS, Server


def pytest_sessionstart(session):
    missing = [path for path in (APUS, TEST_MODELS) if not path.exists()]
    if missing:
        pytest.exit(f"{', '.join(str(path) for path in missing)}: missing; Tools/test makes them", returncode=2)


@pytest.fixture(scope="session")
def shared_server():
    """A server with default options and all test models, for tests that leave nothing behind."""
    with Server(TEST_MODELS) as server:
        yield server


@pytest.fixture
def server(shared_server):
    """The shared server, which must serve the next request after whatever the test did to it."""
    yield shared_server
    shared_server.assert_serves()


@pytest.fixture(scope="session")
def public_models():
    """A function that fetches public models by name and returns the repository that holds them."""

    def fetch(*names):
        done = subprocess.run([ROOT / "Tools/fetch-models", *names], check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    return fetch
