"""A place between a client and a server, which cuts the connection at a chosen byte."""

import socket
import socketserver
import threading
from urllib.parse import urlsplit


class Relay:
    """Listens at an address that stays, and passes everything on to wherever `upstream()` is at that moment.

    When `limit` bytes have gone to the server in all, `cut()` is called, once, and the connection ends there. A connection
    that finds no server behind the relay is closed, and counted in `refusals`."""

    def __init__(self, upstream, limit, cut):
        self.upstream, self.left, self.cut, self.refusals = upstream, limit, cut, 0
        self.lock = threading.Lock()
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                relay.serve(self.request)

        self.listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        self.address = "http://127.0.0.1:%d" % self.listener.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()

    def serve(self, client):
        place = urlsplit(self.upstream())
        try:
            server = socket.create_connection((place.hostname, place.port))
        except OSError:
            self.refusals += 1
            return
        with server:
            back = threading.Thread(target=self.pass_on, args=(server, client))
            back.start()
            self.pass_on(client, server, counts=True)
            back.join()

    def pass_on(self, source, target, counts=False):
        try:
            while content := source.recv(1 << 16):
                if counts and self.take(len(content)):
                    self.cut()
                    break
                target.sendall(content)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def take(self, count):
        """Whether these bytes are the ones that are too many."""
        with self.lock:
            before, self.left = self.left, self.left - count
            return before > 0 >= self.left
