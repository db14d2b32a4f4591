import contextlib
import socket
import tempfile
import threading

import pytest


@pytest.fixture(autouse=True)
def no_other_owners(tmp_path_factory, monkeypatch):
    """Each test locks printers by itself: the same played one may be in use by another run."""
    folder = str(tmp_path_factory.mktemp("locks"))
    monkeypatch.setattr(tempfile, "tempdir", folder)
    monkeypatch.setenv("TMPDIR", folder)


@pytest.fixture
def listener():
    """A listening socket that takes little, as printers do."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


@pytest.fixture
def peer(listener):
    """Run a function of the accepted connection in a thread; it is joined at the end."""
    threads = []

    def start(behave):
        def serve():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        return listener.getsockname()

    yield start
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
