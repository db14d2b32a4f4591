package org.kivy.android;

import android.app.Activity;
import android.webkit.PermissionRequest;
import android.webkit.WebChromeClient;

/**
 * Lets the handheld's own page use the camera, and nothing else: no microphone, no other page.
 *
 * python-for-android's WebView has no WebChromeClient, so that getUserMedia is refused there. It
 * stands in the package of PythonActivity, whose WebView is protected.
 */
public final class CameraGrant extends WebChromeClient {
    private final String page;

    private CameraGrant(String page) {
        this.page = page;
    }

    /** Called by main.py once the WebView exists; a WebView is touched on its own thread only. */
    public static void install(final String page) {
        Activity activity = PythonActivity.mActivity;
        activity.runOnUiThread(() -> PythonActivity.mWebView.setWebChromeClient(new CameraGrant(page)));
    }

    @Override
    public void onPermissionRequest(PermissionRequest request) {
        String[] asked = request.getResources();
        boolean cameraAlone =
                asked.length == 1 && PermissionRequest.RESOURCE_VIDEO_CAPTURE.equals(asked[0]);
        // The origin comes with a slash at its end.
        boolean ours = (page + "/").equals(request.getOrigin().toString());
        if (cameraAlone && ours) {
            request.grant(asked);
        } else {
            request.deny();
        }
    }
}
