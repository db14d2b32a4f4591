"""Non-blocking file descriptors, written and read by a deadline: sockets, devices, lines."""

import errno
import os
import select
import time

from printer.errors import Lost, NotSent, Partial, TransportError


def write(fd: int, data: bytes, deadline_s: float) -> None:
    """Hand over all of `data`. Raises `NotSent`, `Partial` or `Lost`, each with `sent`."""
    end = time.monotonic() + deadline_s
    view, sent = memoryview(data), 0
    kind: type[TransportError]
    while sent < len(data):
        try:
            sent += os.write(fd, view[sent:])
            continue
        except BlockingIOError:
            pass
        except OSError as error:
            kind = Lost if sent else NotSent
            raise kind(f"the printer went away: {reason(error)}", sent) from None
        if not wait(fd, select.POLLOUT, end - time.monotonic()):
            kind = Partial if sent else NotSent
            raise kind(f"the printer took {sent} of {len(data)} bytes in {deadline_s:g} s", sent)


def read(fd: int, size: int, deadline_s: float) -> bytes | None:
    """Bytes, `b""` at the end of the stream, or None on silence. Raises `Lost`."""
    if not wait(fd, select.POLLIN, deadline_s):
        return None
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError as error:
        raise Lost(f"the printer went away: {reason(error)}") from None


def wait(fd: int, event: int, deadline_s: float) -> bool:
    """True as soon as `event` or an error is there, False after `deadline_s`."""
    # poll, not select: select fails on descriptors above 1023.
    poller = select.poll()
    poller.register(fd, event)
    return bool(poller.poll(max(0.0, deadline_s) * 1000))


def hung_up(fd: int) -> bool:
    """True if what was behind the descriptor is gone for good."""
    poller = select.poll()
    poller.register(fd, 0)
    return any(events & select.POLLHUP for _, events in poller.poll(0))


def reason(error: OSError) -> str:
    """The cause in words for a person."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return "no answer in time"
    return error.strerror or str(error)
