"""A peer that writes HTTP/2 frames by hand, so that it can write those that no library would."""

import contextlib
import dataclasses
import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 9113 §6
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
NO_ERROR, PROTOCOL_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 8, 11


@dataclasses.dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


@dataclasses.dataclass
class Answer:
    """What came back on one stream."""

    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    trailers: dict = dataclasses.field(default_factory=dict)
    reset: int | None = None
    is_complete: bool = False

    @property
    def http_status(self):
        return self.headers.get(":status")

    @property
    def grpc_status(self):
        """As a number, from the trailers or from a trailers-only answer; None without one."""
        status = (self.headers | self.trailers).get("grpc-status")
        return None if status is None else int(status)

    @property
    def grpc_message(self):
        return (self.headers | self.trailers).get("grpc-message", "")


def grpc_message(payload, flag=0, length=None):
    """A length-prefixed message; `length` may lie."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


class Peer:
    """The client's end of one connection. Flow control is the test's business, unless it asks for `send_obediently`."""

    def __init__(self, server, settings=None, window=1 << 30, wrap=None, receive_buffer=None):
        self.socket = server.connect() if receive_buffer is None else connect_small(server, receive_buffer)
        if wrap:
            self.socket = wrap(self.socket)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.buffer = bytearray()
        self.answers = {}
        self.next_stream = 1
        self.goaway = None
        self.pings = []
        self.server_settings = {}
        self.settings_acknowledged = self.settings_unacknowledged = 0
        self.windows = {0: 65535}
        self.is_closed = False
        self.write(PREFACE)
        self.settings({INITIAL_WINDOW_SIZE: (1 << 31) - 1} if settings is None else settings)
        if window > 65535:
            self.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window - 65535))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # Out

    def write(self, data):
        """False if the server has closed the connection, which several tests provoke."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True
            return False

    def frame(self, kind, flags, stream, payload=b""):
        return self.write(frame_bytes(kind, flags, stream, payload))

    def settings(self, values):
        self.settings_unacknowledged += 1
        return self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in values.items()))

    def headers(self, fields, stream=None, end=False):
        """Opens a stream and returns its number."""
        if stream is None:
            stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.answers.setdefault(stream, Answer())
        self.windows.setdefault(stream, self.server_settings.get(INITIAL_WINDOW_SIZE, 65535))
        self.frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.encoder.encode(list(fields)))
        return stream

    def data(self, stream, payload=b"", end=False):
        return self.frame(DATA, END_STREAM if end else 0, stream, payload)

    def reset(self, stream, code=CANCEL):
        return self.frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def ping(self, payload=b"\0" * 8):
        return self.frame(PING, 0, 0, payload)

    def begin(self, path, *extra, content_type="application/grpc", method="POST"):
        """The headers of a gRPC call."""
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers")]
        if content_type is not None:
            fields.append(("content-type", content_type))
        return self.headers([*fields, *extra])

    def call(self, path, payload, *extra, **keywords):
        """A whole gRPC call and its answer."""
        stream = self.begin(path, *extra, **keywords)
        self.send_obediently(stream, payload, end=True)
        return self.answer(stream)

    def send_obediently(self, stream, payload, end=False):
        """Sends within the server's windows, and waits for them to open."""
        self.await_settings()
        view = memoryview(payload)
        while view:
            room = min(self.windows[0], self.windows[stream], 16384)
            if room <= 0:
                if self.next_frame() is None or self.answers[stream].is_complete:
                    return
                continue
            self.windows[0] -= len(view[:room])
            self.windows[stream] -= len(view[:room])
            self.data(stream, bytes(view[:room]))
            view = view[room:]
        if end:
            self.data(stream, end=True)

    # In

    def next_frame(self, seconds=30):
        """The next frame, already taken into account; None at the end of the connection."""
        end = time.monotonic() + seconds
        while (frame := self.cut_frame()) is None:
            self.socket.settimeout(max(0, end - time.monotonic()))
            try:
                chunk = self.socket.recv(1 << 18)
            except (ConnectionResetError, BrokenPipeError):
                chunk = b""
            except (TimeoutError, BlockingIOError):
                raise TimeoutError(f"no frame within {seconds} s") from None
            finally:
                self.socket.settimeout(30)
            if not chunk:
                self.is_closed = True
                return None
            self.buffer += chunk
        self.take(frame)
        return frame

    def cut_frame(self):
        if len(self.buffer) < 9:
            return None
        length = int.from_bytes(self.buffer[:3], "big")
        if len(self.buffer) < 9 + length:
            return None
        kind, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
        payload = bytes(self.buffer[9 : 9 + length])
        del self.buffer[: 9 + length]
        return Frame(kind, flags, stream, payload)

    def take(self, frame):
        answer = self.answers.setdefault(frame.stream, Answer())
        if frame.kind == SETTINGS and not frame.flags & ACK:
            values = dict(struct.iter_unpack(">HI", frame.payload))
            if INITIAL_WINDOW_SIZE in values:
                change = values[INITIAL_WINDOW_SIZE] - self.server_settings.get(INITIAL_WINDOW_SIZE, 65535)
                for stream in self.windows.keys() - {0}:
                    self.windows[stream] += change
            self.server_settings |= values
            self.frame(SETTINGS, ACK, 0)
        elif frame.kind == SETTINGS:
            self.settings_acknowledged += 1
            self.settings_unacknowledged -= 1
        elif frame.kind == PING and not frame.flags & ACK:
            self.frame(PING, ACK, 0, frame.payload)
        elif frame.kind == PING:
            self.pings.append(frame.payload)
        elif frame.kind == GOAWAY:
            last, code = struct.unpack(">II", frame.payload[:8])
            self.goaway = (code, last, frame.payload[8:])
        elif frame.kind == WINDOW_UPDATE:
            self.windows.setdefault(frame.stream, 65535)
            self.windows[frame.stream] += int.from_bytes(frame.payload, "big")
        elif frame.kind == HEADERS:
            fields = dict(self.decoder.decode(frame.payload))
            (answer.trailers if answer.headers else answer.headers).update(fields)
        elif frame.kind == DATA:
            answer.body += frame.payload
        elif frame.kind == RST_STREAM:
            answer.reset = int.from_bytes(frame.payload, "big")
        if frame.kind == RST_STREAM or frame.kind in (HEADERS, DATA) and frame.flags & END_STREAM:
            answer.is_complete = True

    def await_settings(self):
        while not self.server_settings and self.next_frame() is not None:
            pass

    def answer(self, stream, seconds=30):
        """What the server said on the stream, once it has said all of it or the connection has ended."""
        while not self.answers[stream].is_complete and self.next_frame(seconds) is not None:
            pass
        return self.answers[stream]

    def await_close(self, seconds=30):
        """Reads until the server ends the connection; its last GOAWAY is in `goaway`."""
        with contextlib.suppress(ConnectionError):
            while self.next_frame(seconds) is not None:
                pass

    def round_trip(self):
        """Returns when the server has read everything sent so far; false if it has closed instead."""
        expected = self.settings_acknowledged + self.settings_unacknowledged + 1
        self.settings({})
        while self.settings_acknowledged < expected:
            if self.next_frame() is None:
                return False
        return True


def frame_bytes(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def connect_small(server, receive_buffer):
    """A TCP socket that holds little, so that what a test does not read stays with the server."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(30)
    host, port = server.listen.rsplit(":", 1)
    raw.connect((host, int(port)))
    return raw
