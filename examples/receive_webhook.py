"""A receiver of Karcis webhooks: verifies, takes each fact once, answers within seconds.

pip install standardwebhooks
KARCIS_WEBHOOK_SECRET=whsec_… python receive_webhook.py 9000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

LARGEST = 64 * 1024
seen: set[str] = set()
"""Ids taken already. A real receiver keeps them in its database, beside what it did with them."""


def take(webhook_id: str, fact: dict[str, Any]) -> None:
    """Your work. The same id comes again when an answer was lost, so it must count once."""
    if webhook_id in seen:
        return
    seen.add(webhook_id)
    print(fact["type"], fact["data"], flush=True)  # noqa: T201 - it shows what came


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > LARGEST:
            return self._answer(413)
        body = self.rfile.read(length)  # the raw bytes: parsed and written again they may differ
        try:
            fact = Webhook(os.environ["KARCIS_WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            return self._answer(400)
        take(self.headers["webhook-id"], fact)
        return self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet: the default writes a line for each request."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver) as server:
        server.serve_forever()
