"""The office of the tests of payments, and what must hold after each of them."""

from tests.server.payments.conftest import database_url, office, voice

__all__ = ["database_url", "office", "voice"]
