"""The Android app's activity: asks for the camera, and has the handheld run as a service.

Runs on Android only, started by python-for-android's PythonActivity.
"""

import threading

from android.permissions import Permission, request_permissions
from jnius import autoclass

PAGE = "http://127.0.0.1:8082"


def main() -> None:
    autoclass("org.kivy.android.CameraGrant").install(PAGE)
    request_permissions([Permission.CAMERA, Permission.POST_NOTIFICATIONS])
    activity = autoclass("org.kivy.android.PythonActivity").mActivity
    autoclass("id.go.karcis.handheld.ServiceHandheld").start(activity, "")
    # The activity's process ends with this thread, and its WebView with it.
    threading.Event().wait()


main()
