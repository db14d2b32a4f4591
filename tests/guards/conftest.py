"""The fixtures of the server's tests and of the payments slice."""

from tests.server.conftest import (  # noqa: F401 - fixtures, found by their names
    acquirer_key,
    api,
    app,
    books,
    database_url,
    now,
    owner,
    owner_url,
    sandbox,
    settings,
    transactions,
)
from tests.server.payments.conftest import office, voice  # noqa: F401
