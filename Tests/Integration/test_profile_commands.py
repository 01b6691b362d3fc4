"""`apus login`, `logout` and `configure`, and how the program finds its server: kept, by the environment, by a socket, over
TLS. The control plane is scripted."""

import json
import stat

import pytest

from control_plane import ControlPlane
from server import NO_PERMISSION, NOT_FOUND, UNREACHABLE, USAGE
from test_transport import certificates  # noqa: F401 (a fixture)


def test_a_login_is_kept_where_only_its_owner_can_read_it(plane, apus, tmp_path):
    plane.rule("POST", "/login", (200, {"principal": "local:admin", "token": "lasting"}))
    plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
    apus("login", "--server", plane.address, "--secret", "-", stdin="once\n", APUS_SERVER=None)
    assert plane.sent("POST", "/login")[0].body == {"secret": "once"}
    kept = tmp_path / "config/apus/config.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    apus("endpoint", "list", APUS_SERVER=None)
    assert plane.requests[-1].headers["authorization"] == "Bearer lasting"
    shown = apus("configure", APUS_SERVER=None).stdout
    assert json.loads(shown)["logged_in"] is True and "lasting" not in shown
    apus("configure", "--defaults", "workspace=risk", APUS_SERVER=None)
    apus("endpoint", "list", APUS_SERVER=None, status=NOT_FOUND)
    assert plane.requests[-1].path == "/workspaces/risk/onlineEndpoints"
    apus("logout", APUS_SERVER=None)
    assert "no server" in apus("endpoint", "list", APUS_SERVER=None, status=USAGE).stderr
    assert "lasting" not in kept.read_text() and "risk" in kept.read_text()


def test_the_environment_overrides_what_is_kept(plane, apus, tmp_path):
    plane.rule("POST", "/login", (200, {"token": "lasting"}))
    plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
    apus("login", "--server", plane.address, "--secret", "s")
    apus("endpoint", "list", APUS_TOKEN="other")
    assert plane.requests[-1].headers["authorization"] == "Bearer other"
    with ControlPlane() as second:
        second.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        apus("endpoint", "list", APUS_SERVER=second.address)
        assert "authorization" not in second.requests[-1].headers, "a secret went to another server"
        apus("endpoint", "list", "--server", second.address)
        assert "authorization" not in second.requests[-1].headers, "a secret went to another server"
        apus("endpoint", "list", "-w", "risk", APUS_SERVER=second.address, APUS_TOKEN="t", status=NOT_FOUND)
        assert second.requests[-1].path == "/workspaces/risk/onlineEndpoints"
        assert second.requests[-1].headers["authorization"] == "Bearer t"


def test_a_refused_login_keeps_nothing(plane, apus, tmp_path):
    plane.rule("POST", "/login", (401, {"error": {"code": "Unauthorized", "message": "the secret is not valid"}}))
    apus("login", "--server", plane.address, "--secret", "wrong", status=NO_PERMISSION)
    assert not (tmp_path / "config/apus/config.json").exists()


def test_a_socket_of_this_machine_is_a_server_too(apus, tmp_path):
    with ControlPlane(unix=tmp_path / "control.sock") as plane:
        plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        assert apus("endpoint", "list", "--server", plane.address).stdout == "[]\n"


def test_tls_with_an_authority_and_a_certificate_of_ones_own(apus, certificates):
    with ControlPlane(tls=certificates) as plane:
        plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        apus("endpoint", "list", "--server", plane.address, status=UNREACHABLE)
        assert apus("endpoint", "list", "--server", plane.address, "--ca", certificates / "authority.pem").stdout == "[]\n"
        apus("endpoint", "list", "--server", plane.address, "--ca", certificates / "authority.pem",
             "--certificate", certificates / "client.pem", "--key", certificates / "client.key")


@pytest.mark.parametrize("variable", ["APUS_TOKEN", "APUS_SERVER"])
def test_an_empty_variable_does_not_let_what_is_kept_take_its_place(plane, apus, variable):
    plane.rule("POST", "/login", (200, {"token": "lasting"}))
    plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
    apus("login", "--server", plane.address, "--secret", "s")
    count = len(plane.requests)
    done = apus("endpoint", "list", status=USAGE, **{variable: ""})
    assert f"{variable} is set, but empty" in done.stderr and len(plane.requests) == count
    if variable == "APUS_SERVER":  # which is not asked where an option says it
        apus("endpoint", "list", "--server", plane.address, APUS_SERVER="")
