"""Peers that stop in the middle, and the server's bounds on memory and time while they do."""

import numpy
import pytest

from server import PATIENCE, SERVICE, PeakMemory, Server, copy_models, eventually, infer_request, pb, simple_request
from wire import INITIAL_WINDOW_SIZE, Peer, frame_bytes, grpc_message

INFER = SERVICE + "ModelInfer"
MIB = 1 << 20


@pytest.fixture
def server(tmp_path):
    """Impatient, and with little memory to give away."""
    options = "--stall-timeout", "1s", "--handshake-timeout", "1s", "--memory-bytes", str(64 * MIB), \
        "--connection-bytes", str(16 * MIB), "--max-message-bytes", str(8 * MIB)
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
                    stream = peer.begin(INFER)
                    body = grpc_message(bytes(7 * MIB - 1), length=7 * MIB)
                    view = memoryview(body)
                    while view and peer.windows[0] > 0 and peer.windows[stream] > 0 and not peer.is_closed:
                        room = min(16384, peer.windows[0], peer.windows[stream], len(view))
                        peer.windows[0] -= room
                        peer.windows[stream] -= room
                        peer.data(stream, bytes(view[:room]))
                        view = view[room:]
                        drain(peer)
                server.stub().ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        memory.assert_below(64 * MIB + 32 * MIB)
    finally:
        for peer in peers:
            peer.socket.close()


def drain(peer):
    """Takes in what has come, and waits for nothing."""
    try:
        while peer.next_frame(seconds=0.0001) is not None:
            pass
    except TimeoutError:
        pass


def test_answers_that_are_never_read_stay_within_the_memory_limit(server):
    """600 KB each, 200 of them asked for, none taken from the socket: then the connection is given up."""
    request = grpc_message(wide_request().SerializeToString())
    with Peer(server, receive_buffer=4096) as peer, PeakMemory(server) as memory:
        peer.socket.settimeout(0.5)
        for _ in range(200):
            stream = peer.begin(INFER)
            try:
                if not all(peer.data(stream, request[at : at + 16384], end=at + 16384 >= len(request))
                           for at in range(0, len(request), 16384)):
                    break
            except TimeoutError:
                break
        server.assert_serves()
        # Given up, not waited for: what is written to it now comes to nothing.
        eventually(lambda: not peer.ping(), what="the end of a connection that collects nothing")
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
            for at in range(0, len(request), 16384):
                peer.data(stream, request[at : at + 16384], end=at + 16384 >= len(request))
            drain(peer)
            if peer.is_closed:
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
            gone.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame_bytes(4, 0, 0))
            gone.settimeout(PATIENCE)
            while gone.recv(4096):
                pass
            drain(there)
            assert there.call(SERVICE + "ServerLive", grpc_message(b"")).grpc_status == 0


# Many streams


def test_no_more_streams_than_allowed(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--max-concurrent-streams", "10") as server:
        with Peer(server) as peer:
            peer.await_settings()
            assert peer.server_settings[3] == 10
            streams = [peer.begin(INFER) for _ in range(11)]
            assert peer.answer(streams[10]).reset == 7, "REFUSED_STREAM: the client may try again"
        server.assert_serves()
