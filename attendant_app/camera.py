"""A camera of the device itself, through OpenCV, for handhelds whose browser has none.

Opened at the first frame that is asked for and closed soon after the last. A file plays for ever.
"""

import asyncio
from typing import Any

from attendant_app import problems

IDLE_S = 5.0
QUALITY = 85


class Camera:
    """`source` is a device number or the path of a film."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._capture: Any = None
        self._busy = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def frame(self) -> bytes:
        """The next picture as a JPEG, in memory only. Raises CameraFailed."""
        async with self._busy:
            picture = await asyncio.to_thread(self._grab)
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)
        return picture

    def close(self) -> None:
        if self._capture is not None and not self._busy.locked():
            self._capture.release()
            self._capture = None

    def _grab(self) -> bytes:
        import cv2  # slow to load and large: not before somebody scans

        picture = self._capture.read()[1] if self._capture is not None else None
        if picture is None:  # the first frame, a film's end, or a camera unplugged and put back
            self._capture = _opened(self._source)
            picture = self._capture.read()[1]
        if picture is None:
            raise problems.CameraFailed(self._source)
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        return bytes(coded.tobytes())


def _opened(source: str) -> Any:
    import cv2

    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    # Frames queued while nobody looked would show what stood there before.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
