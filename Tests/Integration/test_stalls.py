"""Peers that stop in the middle, and the server's bounds on memory and time while they do."""

import numpy
import pytest

from server import PATIENCE, SERVICE, PeakMemory, Server, copy_models, eventually, infer_request, pb, simple_request
from wire import INITIAL_WINDOW_SIZE, SETTINGS, Peer, frame_bytes, grpc_message

INFER = SERVICE + "ModelInfer"
MIB = 1 << 20


@pytest.fixture
def server(tmp_path):
    """Impatient, and with little memory to give away."""
    options = "--stall-timeout", "1s", "--handshake-timeout", "1s", "--memory-bytes", str(64 * MIB), \
        "--connection-bytes", str(16 * MIB), "--connection-window-bytes", str(8 * MIB), "--max-message-bytes", str(8 * MIB)
    with Server(copy_models(tmp_path, "simple", "wide", "slow"), *options) as server:
        server.assert_serves()
        yield server
        server.assert_serves()


def wide_request(rows=1):
    return infer_request("wide", {"INPUT0": numpy.zeros((rows, 150528), numpy.float32)})


# Half a request


def test_half_a_request_and_then_silence_ends_the_call(server):
    message = grpc_message(simple_request().SerializeToString())
    with Peer(server) as peer:
        stream = peer.begin(INFER)
        peer.data(stream, message[: len(message) // 2])
        answer = peer.answer(stream, seconds=PATIENCE)
        assert answer.grpc_status not in (0, None) or answer.reset is not None or peer.is_closed


def test_headers_and_then_silence_end_the_call(server):
    with Peer(server) as peer:
        stream = peer.begin(INFER)
        answer = peer.answer(stream, seconds=PATIENCE)
        assert answer.grpc_status not in (0, None) or answer.reset is not None or peer.is_closed


@pytest.mark.parametrize("beginning", [b"", b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[:20]])
def test_a_connection_that_never_gets_to_the_point_is_closed(server, beginning):
    with server.connect() as raw:
        raw.sendall(beginning)
        raw.settimeout(PATIENCE)
        try:
            while raw.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_an_open_stream_with_nothing_to_say_is_no_stall(server):
    """A streaming client may think for as long as it likes between messages, so long as it has begun none."""
    with Peer(server) as peer:
        stream = peer.begin(SERVICE + "ModelStreamInfer")
        peer.data(stream, grpc_message(simple_request().SerializeToString()))
        with pytest.raises(TimeoutError):
            while peer.next_frame(seconds=3) is not None:
                assert not peer.answers[stream].is_complete
        peer.data(stream, grpc_message(simple_request().SerializeToString()), end=True)
        assert peer.answer(stream).grpc_status == 0


# Memory


def test_uploads_that_never_end_stay_within_the_memory_limit(server):
    peers = [Peer(server) for _ in range(8)]
    try:
        with PeakMemory(server) as memory:
            for peer in peers:
                peer.await_settings()
                for _ in range(6):
                    send_while_allowed(peer, peer.begin(INFER), grpc_message(bytes(7 * MIB - 1), length=7 * MIB))
                server.stub().ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        memory.assert_below(64 * MIB + 32 * MIB)
    finally:
        for peer in peers:
            peer.socket.close()


def send_while_allowed(peer, stream, payload, end=False):
    """Sends up to what the windows let through without a wait; true if that was all."""
    view = memoryview(payload)
    while view:
        drain(peer)
        room = min(16384, peer.windows[0], peer.windows[stream], len(view))
        if room <= 0 or peer.is_closed or peer.answers[stream].is_complete:
            return False
        peer.windows[0] -= room
        peer.windows[stream] -= room
        peer.data(stream, bytes(view[:room]), end=end and room == len(view))
        view = view[room:]
    return True


def drain(peer):
    """Takes in what has come, and waits for nothing."""
    try:
        while peer.next_frame(seconds=0) is not None:
            pass
    except TimeoutError:
        pass


def test_answers_that_are_never_read_stay_within_the_memory_limit(server):
    """Six MiB of them, and none is taken from the socket: after the stall time-out the connection is given up."""
    request = grpc_message(wide_request().SerializeToString())
    sockets = server.socket_count()
    with Peer(server, receive_buffer=4096) as peer, PeakMemory(server) as memory:
        assert peer.round_trip(), "the server's windows hold only when its settings are acknowledged"
        for _ in range(6):
            stream = peer.begin(INFER)
            for at in range(0, len(request), 16384):
                peer.data(stream, request[at : at + 16384], end=at + 16384 >= len(request))
        eventually(lambda: server.socket_count() <= sockets, what="the end of a connection that collects nothing")
    memory.assert_below(64 * MIB)


def test_uploads_of_every_size_given_up_again_and_again_stay_within_the_memory_limit(server):
    """What the server keeps for the next message counts as well."""
    with PeakMemory(server) as memory:
        for turn in range(6):
            peers = [Peer(server) for _ in range(8)]
            for peer in peers:
                peer.await_settings()
                for number in range(6):
                    size = (1 + (7 * number + turn) % 7) * MIB - 1000 * number
                    send_while_allowed(peer, peer.begin(INFER), grpc_message(bytes(size - 1), length=size))
            for peer in peers:
                peer.socket.close()
    memory.assert_below(64 * MIB + 32 * MIB)


def test_answers_for_which_there_is_no_window_stay_within_the_memory_limit(server):
    """The socket is read, but HTTP/2's window for answers is zero and stays so."""
    request = grpc_message(wide_request().SerializeToString())
    with Peer(server, settings={INITIAL_WINDOW_SIZE: 0}) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        streams = []
        for _ in range(100):
            stream = peer.begin(INFER)
            streams.append(stream)
            if not send_while_allowed(peer, stream, request, end=True):
                break
        server.assert_serves()
        # Each ends: refused for want of memory, or reset when nobody collects it.
        for stream in streams:
            answer = peer.answer(stream, seconds=PATIENCE)
            assert peer.is_closed or answer.reset is not None or answer.grpc_status not in (0, None)
            assert not answer.body
    memory.assert_below(64 * MIB + 32 * MIB)


def test_a_slow_reader_gets_its_whole_answer(server):
    """Slower than the server, never still for as long as the stall time-out."""
    request = grpc_message(wide_request().SerializeToString())
    with Peer(server, receive_buffer=8192) as peer:
        answer = peer.call(INFER, request)
        assert answer.grpc_status == 0
        response = pb.ModelInferResponse.FromString(answer.body[5:])
        assert response.raw_output_contents[0] == bytes(602112)


# Time


def test_an_idle_connection_is_told_to_go(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--idle-timeout", "200ms") as server:
        with Peer(server) as peer:
            peer.await_close(PATIENCE)
            assert peer.goaway[0] == 0
        server.assert_serves()


def test_an_old_connection_is_told_to_go_and_its_calls_finish(tmp_path):
    with Server(copy_models(tmp_path, "simple", "slow"), "--max-connection-age", "300ms") as server:
        with Peer(server) as peer:
            slow = infer_request("slow", {"INPUT0": numpy.ones((1, 4), numpy.float32)})
            answer = peer.call(INFER, grpc_message(slow.SerializeToString()))
            assert answer.grpc_status == 0
            peer.await_close(PATIENCE)
            assert peer.goaway[0] == 0
        server.assert_serves()


def test_a_peer_that_is_gone_without_a_word_is_noticed(tmp_path):
    """It answers no PING; a peer that does stays."""
    with Server(copy_models(tmp_path, "simple"), "--keepalive-time", "200ms", "--keepalive-timeout", "200ms") as server:
        with Peer(server) as there, server.connect() as gone:
            gone.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame_bytes(SETTINGS, 0, 0))
            gone.setblocking(False)

            def is_closed():
                drain(there)
                try:
                    return gone.recv(4096) == b""
                except BlockingIOError:
                    return False

            eventually(is_closed, what="the end of a connection whose peer is gone")
            assert there.call(SERVICE + "ServerLive", grpc_message(b"")).grpc_status == 0


# Many streams


def test_no_more_streams_than_allowed(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--max-concurrent-streams", "10") as server:
        with Peer(server) as peer:
            peer.await_settings()
            assert peer.server_settings[3] == 10
            streams = [peer.begin(INFER) for _ in range(11)]
            # RFC 9113 §5.1.2: an error of the stream or of the connection, as the server likes.
            refused = peer.answer(streams[10]).reset == 7 or peer.is_closed and peer.goaway[0] == 1
            assert refused
        server.assert_serves()
