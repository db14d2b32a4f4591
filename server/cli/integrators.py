"""Commands for integrators: their API keys and webhooks."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from server.cli.shell import (
    USAGE,
    AsJson,
    DataDir,
    Id,
    fail,
    login,
    or_say_why,
    print_json,
    talk,
)

key_app = typer.Typer(help="API keys of integrators.", no_args_is_help=True)
webhook_app = typer.Typer(help="Webhooks: who is told what happens.", no_args_is_help=True)
Scopes = Annotated[list[str], typer.Option("--scope", help="What the key may do; repeat it.")]


@key_app.command("issue")
def issue_key(
    name: Annotated[str, typer.Argument(help="Whose program it is for.")],
    scope: Scopes,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it is good.")] = 365,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Issue an API key. It is shown now and never again."""
    from server.identity import api_keys

    known = [known.value for known in api_keys.Scope]
    if unknown := set(scope) - set(known):
        fail(f"no such scope: {', '.join(sorted(unknown))}; there are {', '.join(known)}", USAGE)

    async def work(db: Any, _books: Any) -> api_keys.IssuedKey:
        return await api_keys.issue(
            db,
            name,
            [api_keys.Scope(one) for one in scope],
            created_by=login(),
            now=datetime.now(UTC),
            lifetime=timedelta(days=days),
        )

    issued = or_say_why(data, work)
    if as_json:
        print_json(asdict(issued))
    else:
        talk.print(f"{issued.key_id}, until {issued.expires_at:%Y-%m-%d}; shown only now:")
        print(issued.key)


@key_app.command("list")
def list_keys(data: DataDir = Path("data")) -> None:
    """Every key ever issued, as JSON lines; the keys themselves are not known here."""
    from server.identity import api_keys

    async def work(db: Any, _books: Any) -> Any:
        return await api_keys.all_keys(db)

    for key in or_say_why(data, work):
        told = ("id", "name", "scopes", "created_by", "created_at", "expires_at", "revoked_at")
        print_json({name: getattr(key, name) for name in told})


@key_app.command("revoke")
def revoke_key(key_id: Id, data: DataDir = Path("data")) -> None:
    """Refuse a key from now on; again is harmless."""
    from server.identity import api_keys

    async def work(db: Any, _books: Any) -> None:
        await api_keys.revoke(db, key_id, now=datetime.now(UTC))

    or_say_why(data, work)


def _seal(data: Path) -> Any:
    """By the settings; the sample keeps its own key in the data directory."""
    from pydantic import SecretStr

    from server.settings import Settings
    from server.webhooks.sealing import Seal

    key, kept = Settings().webhook_key, data / "secrets.json"
    if key is None and kept.exists():
        key = SecretStr(json.loads(kept.read_text())["webhook_key"])
    return Seal.of(key)


@webhook_app.command("add")
def add_webhook(
    url: str,
    fact: Annotated[
        list[str] | None, typer.Option("--type", help="A type of facts; repeat it; all if none.")
    ] = None,
    data: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Have facts sent to an address. The signing secret is shown now and never again."""
    from server.database import new_id
    from server.settings import Settings
    from server.webhooks import addresses, service
    from server.webhooks.facts import FACTS

    webhook_id, types = new_id(), fact or list(FACTS)
    if unknown := set(types) - set(FACTS):
        fail(f"no such type: {', '.join(sorted(unknown))}; there are {', '.join(FACTS)}", USAGE)

    async def work(db: Any, _books: Any) -> str | None:
        return await service.subscribe(
            db,
            _seal(data),
            subscription_id=webhook_id,
            url=addresses.checked(url, production=Settings().mode == "production"),
            types=types,
            created_by=login(),
            now=datetime.now(UTC),
        )

    secret = or_say_why(data, work)
    if as_json:
        print_json({"id": webhook_id, "secret": secret})
    else:
        talk.print(f"{webhook_id}; shown only now:")
        print(secret)


@webhook_app.command("list")
def list_webhooks(data: DataDir = Path("data")) -> None:
    """Every webhook, as JSON lines."""
    from server.webhooks import schemas, service

    async def work(db: Any, _books: Any) -> Any:
        return [schemas.Webhook.of(one) for one in await service.subscriptions(db)]

    for webhook in or_say_why(data, work):
        print(webhook.model_dump_json())


@webhook_app.command("deliveries")
def list_deliveries(
    webhook_id: Id,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    data: DataDir = Path("data"),
) -> None:
    """What was sent to a webhook, newest first, with every attempt, as JSON lines."""
    from server.webhooks import queries, schemas, service

    async def work(db: Any, _books: Any) -> Any:
        await service.find(db, webhook_id)
        rows = await queries.deliveries(db, webhook_id, None, limit)
        return [schemas.LoggedFact.of(row) for row in rows]

    for delivery in or_say_why(data, work):
        print(delivery.model_dump_json())


@webhook_app.command("replay")
def replay_webhook(
    webhook_id: Id,
    fact_id: Annotated[UUID | None, typer.Option("--fact", help="One fact, by its id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Everything recorded since, 2026-11-21T00:00:00, UTC.")
    ] = None,
    data: DataDir = Path("data"),
) -> None:
    """Send one fact, or everything since a moment, again under the same ids."""
    from server.webhooks import service

    if (fact_id is None) == (since is None):
        fail("say either --fact or --since", USAGE)

    async def work(db: Any, _books: Any) -> int:
        now = datetime.now(UTC)
        if fact_id is not None:
            await service.replay(db, webhook_id, fact_id, now=now)
            return 1
        moment = (since or now).replace(tzinfo=UTC)
        return await service.replay_since(db, webhook_id, moment, now=now)

    print(f"{or_say_why(data, work)} facts are sent again")


@webhook_app.command("rotate")
def rotate_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """A new signing secret; for a day the old one signs as well."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> str:
        return await service.rotate(db, _seal(data), webhook_id, now=datetime.now(UTC))

    print(or_say_why(data, work))


@webhook_app.command("disable")
def disable_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """Send no more; what is under way waits."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> None:
        await service.find(db, webhook_id)
        await service.disable(db, webhook_id, "asked", now=datetime.now(UTC))

    or_say_why(data, work)


@webhook_app.command("enable")
def enable_webhook(webhook_id: Id, data: DataDir = Path("data")) -> None:
    """Send again, first what waited."""
    from server.webhooks import service

    async def work(db: Any, _books: Any) -> None:
        await service.find(db, webhook_id)
        await service.enable(db, webhook_id)

    or_say_why(data, work)
