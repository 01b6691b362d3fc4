"""An OpenID Connect issuer that changes its key, and a server that goes on without a restart."""

import itertools

import grpc
import pytest
from endpoints import EndpointServer, infer
from issuer import Issuer
from server import PATIENCE, eventually

SERVED, UNKNOWN_CALLER = (grpc.StatusCode.OK, 200), (grpc.StatusCode.UNAUTHENTICATED, 401)
# The server asks an issuer for its keys no more often than this, in seconds, whatever tokens come.
BETWEEN_FETCHES = 30


@pytest.fixture
def issuer(tmp_path):
    with Issuer(tmp_path / "issuer") as issuer:
        yield issuer


@pytest.fixture
def server(tmp_path, issuer):
    with EndpointServer(tmp_path / "server", "--oidc-issuer", f"corp={issuer.address},apus") as server:
        server.make_model("simple")
        server.make_endpoint("by-issuer", "AADToken")
        server.make_deployment("by-issuer", "blue")
        server.set_traffic("by-issuer", blue=100)
        server.run("role", "assignment", "create", "--assignee", "oidc:corp:caller", "--assignee-type", "User",
                   "--role", "AzureML Data Scientist", "--scope", "workspace")
        yield server


def test_a_new_key_of_the_issuer_is_taken_without_a_restart_and_the_old_one_is_refused(server, issuer):
    old, numbers = {"key": issuer.key, "kid": issuer.kid}, itertools.count()

    def doors(**by):
        """What the doors say to a token that they have never seen."""
        token = issuer.token("caller", number=next(numbers), **by)
        return server.call("ModelInfer", infer("by-issuer"), token)[0], server.score("by-issuer", token).status_code

    def control(status, **by):
        server.ask("GET", "onlineEndpoints/by-issuer", token=issuer.token("caller", number=next(numbers), **by), status=status)

    assert doors() == SERVED
    control(200)
    issuer.rotate()
    # Nobody has shown the new key yet, so the server can't know that the old one is gone.
    assert doors(**old) == SERVED
    eventually(lambda: doors() == SERVED, seconds=BETWEEN_FETCHES + PATIENCE, every=0.5, what="the new key")
    # However many tokens came with a key that was not known: one fetch for the first, and one for the new one. Those below
    # may bring about another, if they come late enough.
    assert issuer.asked["/keys"] == issuer.asked["/.well-known/openid-configuration"] == 2
    control(200)
    assert doors(**old) == UNKNOWN_CALLER
    control(401, **old)
    assert doors(key=old["key"]) == UNKNOWN_CALLER  # under the new one's name
    assert doors(kid=old["kid"]) == UNKNOWN_CALLER
