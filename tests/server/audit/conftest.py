"""The payments slice's office, whose payments are sealed here."""

from tests.server.payments.conftest import office, voice  # noqa: F401
