"""`python -m attendant_app` is `karcis handheld`, without loading the server's commands."""

import typer

from attendant_app.cli import handheld

if __name__ == "__main__":
    typer.run(handheld)
