"""Fixtures that several files use."""

import subprocess

import pytest

from control_plane import ControlPlane
from server import APUS, DONE, PATIENCE, ROOT, TEST_MODELS, Server, environment


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


@pytest.fixture
def plane():
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def apus(plane, tmp_path):
    """Runs the program in a folder and with a home of its own, talking to the scripted control plane."""

    def run(*arguments, status=DONE, stdin=None, **variables):
        settings = {
            "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data"),
            "APUS_SERVER": plane.address, **variables}
        settings = {name: value for name, value in (environment() | settings).items() if value is not None}
        done = subprocess.run(
            [str(part) for part in (APUS, *arguments)], input=stdin, capture_output=True, text=True, cwd=tmp_path,
            env=settings, timeout=PATIENCE)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    return run
