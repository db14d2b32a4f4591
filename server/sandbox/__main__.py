"""`python -m server.sandbox`: the sandbox acquirer, set up by SANDBOX_ variables."""

from server.sandbox.app import serve
from server.sandbox.settings import Settings

if __name__ == "__main__":
    serve(Settings())
