"""Peers that attack the connection itself. Each loses its own connection at most, and costs the others nothing."""

import struct

import hpack
import pytest

from server import PATIENCE, SANITIZED, SERVICE, PeakMemory, simple_request
from wire import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, PRIORITY,
                  RST_STREAM, SETTINGS, WINDOW_UPDATE, Peer, frame_bytes, grpc_message)

INFER = SERVICE + "ModelInfer"
MIB = 1 << 20


@pytest.fixture
def server(shared_server):
    """The shared server, with a second client beside the abuse that must not notice it."""
    stub = shared_server.stub()
    stub.ModelInfer(simple_request(), timeout=PATIENCE)
    yield shared_server
    stub.ModelInfer(simple_request(), timeout=PATIENCE)
    shared_server.assert_serves()


def request_headers(peer):
    return peer.encoder.encode([
        (":method", "POST"), (":scheme", "http"), (":path", INFER), (":authority", "test"),
        ("content-type", "application/grpc"), ("te", "trailers")])


def assert_told_to_go(peer):
    """The connection ends, and not by the test's patience."""
    peer.await_close()
    assert peer.is_closed


# Floods. Each is sent until the server closes, and has a bound by which it must have done so.


def flood(peer, frames, rounds):
    """Writes the frames over and over until the server hangs up; false if it never does."""
    for _ in range(rounds):
        if not peer.write(frames):
            return True
    return False


def test_rapid_reset(server):
    """CVE-2023-44487: open a stream, cancel it, again."""
    with Peer(server) as peer:
        peer.await_settings()
        first, again = request_headers(peer), request_headers(peer)  # again: all of it is in the dynamic table
        for number in range(60_000):
            stream = 2 * number + 1
            opened = frame_bytes(HEADERS, END_HEADERS, stream, again if number else first)
            if not peer.write(opened + frame_bytes(RST_STREAM, 0, stream, struct.pack(">I", 8))):
                break
        assert_told_to_go(peer)


def test_resets_that_the_server_is_made_to_send(server):
    """Each stream has a field name in capitals, an error that the server answers with RST_STREAM (RFC 9113 §8.2.1)."""
    with Peer(server) as peer:
        peer.await_settings()
        for _ in range(60_000):
            peer.headers([(":method", "POST"), (":path", "/"), ("UPPER", "case")], end=True)
            if peer.is_closed:
                break
        assert_told_to_go(peer)


@pytest.mark.parametrize("frame", [
    frame_bytes(PING, 0, 0, bytes(8)),
    frame_bytes(SETTINGS, 0, 0, b""),
    frame_bytes(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535) * 30),
    frame_bytes(PRIORITY, 0, 1, struct.pack(">IB", 3, 1)),
    frame_bytes(0x77, 0, 0, b"unknown"),
], ids=["PING", "empty SETTINGS", "full SETTINGS", "PRIORITY", "unknown frames"])
def test_control_frames_without_end(server, frame):
    with Peer(server) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        # A client that does read what comes back: nghttp2's own limit on queued acknowledgements does not help.
        for _ in range(400):
            if not peer.write(frame * 50):
                break
            peer.socket.settimeout(0)
            try:
                while peer.socket.recv(1 << 16):
                    pass
            except (BlockingIOError, ConnectionResetError):
                pass
        peer.socket.settimeout(PATIENCE)
        assert_told_to_go(peer)
    memory.assert_below(16 * MIB)


def test_control_frames_whose_answers_are_never_read(server):
    with Peer(server, receive_buffer=4096) as peer, PeakMemory(server) as memory:
        peer.socket.settimeout(2)
        ping = frame_bytes(PING, 0, 0, bytes(8)) * 1000
        try:
            while peer.write(ping):
                pass
        except TimeoutError:
            pass
    memory.assert_below(32 * MIB)


def test_empty_data_without_end(server):
    with Peer(server) as peer:
        peer.await_settings()
        stream = peer.begin(INFER)
        assert flood(peer, frame_bytes(DATA, 0, stream) * 100, 2000)
        assert_told_to_go(peer)


def test_pings_at_leisure_are_too_many(server):
    """gRPC proposal A8: the client waits for each answer, so this is no flood, and yet it keeps the server awake."""
    with Peer(server) as peer:
        peer.await_settings()
        for number in range(10):
            if not peer.ping(struct.pack(">Q", number)):
                break
            while len(peer.pings) <= number and peer.next_frame() is not None:
                pass
            if peer.is_closed:
                break
        assert_told_to_go(peer)
        assert peer.goaway[0] == ENHANCE_YOUR_CALM
        assert peer.goaway[2] == b"too_many_pings"


# Headers


def test_an_hpack_bomb(server):
    """One table entry of 3.9 kB, named 16,000 times by a byte each: 62 MB of headers in a frame of 16 KiB."""
    before = server.cpu_seconds()
    with Peer(server) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        # Literal with incremental indexing: the entry becomes number 62, the first of the dynamic table.
        entry = b"\x40" + hpack_string(b"x") + hpack_string(b"y" * 3900)
        stream = 1
        peer.frame(HEADERS, END_HEADERS, stream, request_headers(peer) + entry)
        bomb = b"\xbe" * 16_000
        for _ in range(200):
            stream += 2
            if not peer.frame(HEADERS, END_HEADERS | END_STREAM, stream, bomb):
                break
        peer.round_trip()
    memory.assert_below(32 * MIB)
    if not SANITIZED:
        assert server.cpu_seconds() - before < 1.5, "the whole of 200 bombs, which cost 5 to 9 s undefended"


def hpack_string(text):
    """RFC 7541 §5.2, without Huffman coding."""
    length = len(text)
    if length < 127:
        return bytes([length]) + text
    rest = length - 127
    encoded = bytearray([127])
    while rest >= 128:
        encoded.append(rest % 128 + 128)
        rest //= 128
    return bytes([*encoded, rest]) + text


def test_headers_over_the_limit_are_refused(server):
    with Peer(server) as peer:
        peer.await_settings()
        stream = peer.begin(SERVICE + "ServerLive", *[(f"x-{number}", "y" * 900) for number in range(15)],
                            ("x-last", "z" * 4000))
        peer.data(stream, grpc_message(b""), end=True)
        answer = peer.answer(stream)
    assert answer.grpc_status == 8 or answer.reset is not None or peer.is_closed


def test_a_continuation_flood(server):
    """CVE-2024-28182: a header block that never ends."""
    with Peer(server) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        peer.frame(HEADERS, 0, 1, request_headers(peer))
        piece = frame_bytes(CONTINUATION, 0, 1, hpack.Encoder().encode([("x", "y" * 1000)]))
        assert flood(peer, piece, 20_000)
        assert_told_to_go(peer)
    memory.assert_below(16 * MIB)


@pytest.mark.parametrize("block", [b"\xff" * 50, b"\x80", b"\xbf\xff", b"\x7f\xff\xff\xff\xff\xff"])
def test_a_corrupt_header_block(server, block):
    with Peer(server) as peer:
        peer.frame(HEADERS, END_HEADERS, 1, block)
        assert_told_to_go(peer)


# Frames that RFC 9113 forbids


@pytest.mark.parametrize("frame", [
    frame_bytes(DATA, 0, 0, b"on no stream"),
    frame_bytes(DATA, 0, 1, b"on a stream that is not open"),
    frame_bytes(HEADERS, END_HEADERS, 2, b"\x82"),
    frame_bytes(PING, 0, 0, bytes(7)),
    frame_bytes(PING, 0, 1, bytes(8)),
    frame_bytes(SETTINGS, 0, 0, bytes(5)),
    frame_bytes(SETTINGS, ACK, 0, bytes(6)),
    frame_bytes(WINDOW_UPDATE, 0, 0, bytes(4)),
    frame_bytes(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 2,
    frame_bytes(RST_STREAM, 0, 0, bytes(4)),
    frame_bytes(CONTINUATION, END_HEADERS, 1, b""),
    frame_bytes(5, END_HEADERS, 1, bytes(4)),
    struct.pack(">I", 2**24 - 1)[1:] + bytes([DATA, 0]) + struct.pack(">I", 1) + bytes(1000),
], ids=range(13))
def test_a_frame_that_the_protocol_forbids_ends_the_connection(server, frame):
    with Peer(server, window=0) as peer:
        peer.await_settings()
        peer.write(frame)
        assert_told_to_go(peer)
        assert peer.goaway is None or peer.goaway[0] != 0


def test_bytes_over_the_window_are_not_kept(server):
    """The peer pays no attention to flow control."""
    with Peer(server) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        stream = peer.begin(INFER)
        peer.data(stream, grpc_message(b"", length=200 * MIB))
        chunk = frame_bytes(DATA, 0, stream, bytes(16384))
        flood(peer, chunk * 16, 300)
        assert peer.answers[stream].grpc_status is None
    memory.assert_below(300 * MIB)


# Many of something


def test_ten_thousand_streams_on_one_connection_are_all_answered(server):
    """In waves as wide as the server allows at a time."""
    message = grpc_message(simple_request().SerializeToString())
    with Peer(server) as peer:
        peer.await_settings()
        width = peer.server_settings.get(3, 100)
        done = 0
        while done < 10_000:
            streams = []
            for _ in range(min(width, 10_000 - done, 500)):
                stream = peer.begin(INFER)
                peer.data(stream, message, end=True)
                streams.append(stream)
            assert all(peer.answer(stream).grpc_status == 0 for stream in streams)
            done += len(streams)


def test_ten_thousand_streams_at_once_are_bounded(server):
    """All opened, none finished: the server refuses those over its limit and answers the others when they end."""
    message = grpc_message(simple_request().SerializeToString())
    with Peer(server) as peer, PeakMemory(server) as memory:
        peer.await_settings()
        limit = peer.server_settings[3]
        streams = [peer.begin(INFER) for _ in range(10_000)]
        if peer.round_trip():
            refused = [stream for stream in streams if peer.answers[stream].reset is not None]
            assert len(refused) == 10_000 - limit
            for stream in streams[:limit]:
                peer.data(stream, message, end=True)
            assert all(peer.answer(stream).grpc_status == 0 for stream in streams[:limit])
        else:
            assert peer.goaway is not None
    memory.assert_below(64 * MIB)


def test_a_thousand_connections_that_say_nothing(server):
    silent = []
    try:
        with PeakMemory(server) as memory:
            for _ in range(900):
                silent.append(server.connect())
            server.assert_serves()
        memory.assert_below(64 * MIB)
    finally:
        for connection in silent:
            connection.close()


def test_connections_that_come_and_go(server):
    for _ in range(500):
        with Peer(server) as peer:
            peer.begin(INFER)
    before = server.resident_bytes()
    for _ in range(1000):
        with Peer(server) as peer:
            peer.begin(INFER)
    if not SANITIZED:
        assert server.resident_bytes() - before < 8 * MIB, "a connection leaves something behind"
