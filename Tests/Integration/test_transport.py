"""The doors: TCP over IPv4 and IPv6, Unix sockets, TLS; and guests who speak something else."""

import contextlib
import socket
import ssl
import subprocess

import grpc
import numpy
import pytest

from server import PATIENCE, SERVICE, Server, copy_models, failure, free_port, infer_request, pb
from wire import Peer, grpc_message


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return copy_models(tmp_path_factory.mktemp("repository"), "simple", "wide")


def test_a_unix_socket(repository, tmp_path):
    path = tmp_path / "apus.sock"
    with Server(repository, listen=f"unix:{path}") as server:
        server.assert_serves()
    assert not path.exists(), "the socket's file goes with the server"


def test_a_unix_socket_left_behind_by_a_killed_server_is_taken_over(repository, tmp_path):
    path = tmp_path / "apus.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with Server(repository, listen=f"unix:{path}") as server:
        server.assert_serves()


def test_ipv6(repository):
    with Server(repository, listen=f"[::1]:{free_port('::1')}") as server:
        server.assert_serves()


def test_no_host_means_every_address(repository):
    port = free_port()
    with Server(repository, listen=f":{port}") as server:
        server.assert_serves()
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=PATIENCE).close()


def test_a_taken_port_ends_the_program_with_a_reason(repository):
    with Server(repository) as server:
        second = Server(repository, listen=server.listen, await_ready=False)
        try:
            assert second.process.wait(5) != 0
            assert str(server.port) in second.log()
            assert "in use" in second.log()
        finally:
            second.process.kill()
            second.process.wait()


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and what it signed for the server and for a client; and a client that another one signed."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for authority in ("authority", "other-authority"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}")
    for name, authority in (("server", "authority"), ("client", "authority"), ("stranger", "other-authority")):
        (folder / f"{name}.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{name}.cnf", "-out", f"{name}.pem")
    return folder


def tls_options(certificates):
    return "--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key"


def credentials(certificates, client=None):
    read = lambda name: (certificates / name).read_bytes()
    if client is None:
        return grpc.ssl_channel_credentials(read("authority.pem"))
    return grpc.ssl_channel_credentials(read("authority.pem"), read(f"{client}.key"), read(f"{client}.pem"))


def context(certificates, alpn=("h2",)):
    context = ssl.create_default_context(cafile=certificates / "authority.pem")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@pytest.fixture(scope="module")
def tls_server(repository, certificates):
    with Server(repository, *tls_options(certificates), credentials=credentials(certificates)) as server:
        yield server


def test_tls(tls_server):
    tls_server.assert_serves()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_agree_on_h2(tls_server, certificates, version):
    only = context(certificates)
    only.minimum_version = only.maximum_version = version
    with only.wrap_socket(tls_server.connect(), server_hostname="localhost") as wrapped:
        assert wrapped.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert wrapped.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_is_taken_up_again_on_every_event_loop(tls_server, certificates, version):
    only = context(certificates)
    only.minimum_version = only.maximum_version = version
    session = None
    with contextlib.ExitStack() as open_connections:
        # They stay open, so that each goes to the loop with the fewest.
        for index in range(4):
            wrapped = open_connections.enter_context(
                only.wrap_socket(tls_server.connect(), server_hostname="localhost", session=session))
            wrapped.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            assert wrapped.recv(9)  # its SETTINGS; a ticket of TLS 1.3 comes before them
            assert wrapped.session_reused == (index > 0)
            session = wrapped.session


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_a_tls_client_that_does_not_agree_on_h2_is_cut_off(tls_server, certificates, alpn):
    try:
        with context(certificates, alpn).wrap_socket(tls_server.connect(), server_hostname="localhost") as wrapped:
            assert wrapped.recv(1) == b""
    except (ssl.SSLError, ConnectionResetError):
        pass
    tls_server.assert_serves()


def test_plain_text_at_a_tls_port_costs_its_sender_only(tls_server):
    with tls_server.connect() as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64))
        while plain.recv(4096):
            pass
    tls_server.assert_serves()


def test_large_messages_pass_tls(tls_server):
    rows = numpy.random.default_rng(2).random((8, 150528), dtype=numpy.float32)
    answer = tls_server.stub().ModelInfer(infer_request("wide", {"INPUT0": rows}), timeout=PATIENCE)
    assert answer.raw_output_contents[0] == rows.tobytes()


def test_client_certificates_are_asked_for_and_verified(repository, certificates):
    options = *tls_options(certificates), "--tls-client-ca", certificates / "authority.pem", \
        "--tls-require-client-certificate"
    with Server(repository, *options, credentials=credentials(certificates, "client")) as server:
        server.assert_serves()
        for refused in (credentials(certificates), credentials(certificates, "stranger")):
            with grpc.secure_channel(server.address, refused) as channel:
                call = channel.unary_unary(SERVICE + "ServerLive")
                assert failure(call, b"", timeout=5).code().name == "UNAVAILABLE"
        server.assert_serves()


def test_a_key_that_is_not_there_ends_the_program_with_a_reason(repository, certificates):
    options = "--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "nowhere.key"
    server = Server(repository, *options, await_ready=False)
    assert server.process.wait(PATIENCE) != 0
    assert "nowhere.key" in server.log()


# Guests who speak something else


def test_http_1_1_is_told_what_this_port_speaks(server):
    with server.connect() as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while chunk := raw.recv(4096):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ")
    assert b"text/plain" in head.lower()
    assert b"gRPC" in body and b"HTTP/2" in body


@pytest.mark.parametrize("noise", [b"\0", b"\x16\x03\x01\x02\0", b"PRI * HTTP/1.1\r\n\r\n", b"SSH-2.0-OpenSSH\r\n"])
def test_noise_is_cut_off(server, noise):
    with server.connect() as raw:
        raw.sendall(noise + bytes(64))
        try:
            while raw.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_an_http_2_request_that_is_no_post_gets_405(server):
    with Peer(server) as peer:
        stream = peer.headers([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")], end=True)
        answer = peer.answer(stream)
        assert answer.http_status == "405"
        assert answer.headers["allow"] == "POST"
        assert b"gRPC" in answer.body
        assert peer.round_trip(), "the connection stays"


@pytest.mark.parametrize("content_type", ["application/json", "application/grpc-web", "application/grpc+json", None])
def test_an_http_2_request_of_another_content_type_gets_415(server, content_type):
    with Peer(server) as peer:
        stream = peer.begin(SERVICE + "ServerLive", content_type=content_type)
        peer.data(stream, b"{}", end=True)
        answer = peer.answer(stream)
        assert answer.http_status == "415"
        assert b"application/grpc" in answer.body
        live = peer.call(SERVICE + "ServerLive", grpc_message(b""))
        assert live.grpc_status == 0, "the connection stays"


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto"])
def test_both_names_of_protobuf_are_served(server, content_type):
    with Peer(server) as peer:
        answer = peer.call(SERVICE + "ServerLive", grpc_message(b""), content_type=content_type)
        assert (answer.http_status, answer.grpc_status) == ("200", 0)
        assert pb.ServerLiveResponse.FromString(answer.body[5:]).live
