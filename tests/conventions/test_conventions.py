"""House rules that types and linters cannot say, each read from the source itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from attendant_app import problems as handheld_problems
from attendant_app.messages import MESSAGES
from attendant_app.settings import Settings as HandheldSettings
from domain.device import DEVICE_TABLE
from domain.notice import NOTICE_TABLE
from domain.parking import STAY_TABLE
from domain.payment import CASE_TABLE, CHARGE_TABLE, PAYMENT_TABLE, REFUND_TABLE
from domain.sign import SIGN_TABLE
from domain.states import diagram
from printer import profiles
from server import verify
from server.complaints.states import COMPLAINT_TABLE
from server.errors import Problem
from server.observability import LOGGED
from server.reconciliation.states import CLOSE_TABLE, LINE_TABLE, REMITTANCE_TABLE, RUN_TABLE
from server.sandbox.settings import Settings as SandboxSettings
from server.settings import Settings
from server.spots.states import PROPOSAL_TABLE

ROOT = Path(__file__).parents[2]
PACKAGES = ("qris", "domain", "printer", "server", "attendant_app")
MONEY_MODULES = (
    "domain/mdr.py",
    "domain/money.py",
    "domain/shares.py",
    "domain/tariff.py",
    "domain/payment.py",
    "server/ledger/postings.py",
    "server/ledger/service.py",
    "server/payments/service.py",
    "server/payments/notifications.py",
    "server/payments/callbacks.py",
    "server/payments/receipts.py",
    "server/payments/inquiries.py",
    "server/payments/queries.py",
    "server/payments/refunds.py",
    "server/payments/returning.py",
    "server/payments/pursuit.py",
    "server/payments/cases.py",
    "server/payments/proposals.py",
    "server/office/queries.py",
    "attendant_app/prices.py",
    "server/reconciliation/matching.py",
    "server/reconciliation/service.py",
    "server/reconciliation/files.py",
    "server/reconciliation/settlements.py",
    "server/reconciliation/sheets.py",
    "server/reconciliation/statements.py",
)


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "versions" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def test_only_the_transaction_helpers_commit() -> None:
    allowed = {Path("server/migrations/env.py")}
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        if path.parts[0] == "server" and "sandbox" not in path.parts and path not in allowed
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
    ]
    assert found == [], "a function that takes `db` never commits"


def test_the_acquirer_is_never_called_inside_a_transaction() -> None:
    found = []
    for path, tree in sources():
        for block in ast.walk(tree):
            if not isinstance(block, ast.AsyncWith):
                continue
            if not any("begin" in ast.unparse(item.context_expr) for item in block.items):
                continue
            found += [
                f"{path}:{call.lineno}"
                for call in ast.walk(block)
                if isinstance(call, ast.Call)
                and re.search(
                    r"(acquirer\.(generate|inquire|cancel|refund)|\b_(generate|send|cancel_there)"
                    r"|\binquire)$",
                    ast.unparse(call.func),
                )
            ]
    assert found == []


def test_money_is_never_a_float() -> None:
    found = []
    for name in MONEY_MODULES:
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if not isinstance(node, ast.expr):
                continue
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            rounds = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"float", "round"}
            )
            if is_float or rounds or (divides and "Path" not in ast.unparse(node)):
                found.append(f"{name}:{node.lineno}")
    assert found == []


def test_every_field_the_server_logs_is_one_that_logs_keep() -> None:
    lost = [
        f"{path}:{call.lineno} {field.arg}"
        for path, tree in sources()
        if path.parts[0] == "server" and "sandbox" not in path.parts
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log.")
        for field in call.keywords
        if field.arg not in LOGGED
    ]
    assert lost == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        str(path)
        for path, tree in sources()
        if tree.body and path.name != "__init__.py" and ast.get_docstring(tree) is None
    ]
    assert silent == []


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"utils", "common", "helpers", "misc"}
    assert [str(path) for path, _ in sources() if drawers & {*path.parts, path.stem}] == []


def _slugs(base: type[Exception]) -> set[str]:
    found = {base.slug} if hasattr(base, "slug") else set()
    return found.union(*(_slugs(child) for child in base.__subclasses__()))


def test_every_problem_is_documented_and_no_other() -> None:
    import server.app  # noqa: F401 - loads every slice with its problems

    documented = set(re.findall(r"^\| `([a-z-]+)`", (ROOT / "docs/problems.md").read_text(), re.M))
    assert documented == _slugs(Problem) | _slugs(handheld_problems.Problem)


@pytest.mark.parametrize(
    ("prefix", "fields"),
    [
        ("KARCIS_", set(Settings.model_fields) - {"database_url"}),
        ("SANDBOX_", set(SandboxSettings.model_fields)),
        ("HANDHELD_", set(HandheldSettings.__dataclass_fields__)),
    ],
)
def test_every_setting_is_documented_and_no_other(prefix: str, fields: set[str]) -> None:
    text = (ROOT / "docs/settings.md").read_text()
    documented = set(re.findall(rf"^\| `{prefix}([A-Z_]+)`", text, re.M))
    assert {name.lower() for name in documented} == fields


def test_the_documented_state_diagrams_are_the_tables() -> None:
    text = (ROOT / "docs/states.md").read_text()
    for table in (
        CHARGE_TABLE,
        PAYMENT_TABLE,
        REFUND_TABLE,
        CASE_TABLE,
        STAY_TABLE,
        DEVICE_TABLE,
        SIGN_TABLE,
        COMPLAINT_TABLE,
        NOTICE_TABLE,
        CLOSE_TABLE,
        REMITTANCE_TABLE,
        PROPOSAL_TABLE,
        RUN_TABLE,
        LINE_TABLE,
    ):
        assert diagram(table) in text


def test_every_word_of_the_handheld_about_its_printer_is_explained() -> None:
    chapter = (ROOT / "docs/printers.md").read_text().split("### Arti kata di layar")[1]
    words = {bahasa for key, (bahasa, _) in MESSAGES.items() if key.startswith("printer-")}
    assert {word for word in words if f"| *{word}* |" not in chapter} == set()


def test_every_profile_of_a_printer_is_in_the_list_of_how_to_connect_it() -> None:
    text = (ROOT / "docs/printers.md").read_text()
    chapter = text.split("## Menyambungkan printer")[1].split("\n## ")[0]
    assert {name for name in profiles.names() if f"`{name}`" not in chapter} == set()


def test_every_make_target_has_its_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    helped = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.M))
    assert targets == helped


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in wanted:
        name = re.split(r"[\[;<>=! ]", requirement)[0]
        assert re.search(rf"^{re.escape(name)}==", lock, re.M | re.I), name
    extras = (ROOT / "requirements-extras.lock").read_text()
    assert "pyspark==" in extras
    assert "python-pkcs11==" in extras
    for text in (lock, extras):
        assert "://" not in text
        pins = re.findall(r"^\S+==.*(?:\n    .*)*", text, re.M)
        assert all("--hash=sha256:" in pin for pin in pins)


def test_the_handheld_starts_without_the_servers_libraries() -> None:
    script = (
        "import sys, attendant_app.app; "
        "print({'fastapi', 'pydantic', 'sqlalchemy', 'server'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_readme_shows_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    shown = set(re.findall(r"make ([a-z-]+)", readme))
    assert {"run", "test"} <= shown <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_document_a_text_links_to_is_there() -> None:
    broken = []
    for text in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text.read_text())
        broken += [f"{text.name}: {link}" for link in links if not (text.parent / link).exists()]
    assert broken == []


def test_every_insert_only_table_of_a_migration_is_watched() -> None:
    sources = [path.read_text() for path in (ROOT / "server/migrations/versions").glob("*.py")]
    made = {name for source in sources for name in re.findall(r"insert_only\([\"'](\w+)", source)}
    assert {f"{name}_insert_only" for name in made} <= set(verify.TRIGGERS)


WRITTEN_WHILE_PAYING = {
    "audit_changes", "audit_leaves", "charge_changes", "charges", "device_events", "device_nonces",
    "inquiries", "ledger_entries", "ledger_postings", "money", "notifications", "outbox",
    "parking_sessions", "payments", "receipts", "used_nonces", "webhook_attempts",
    "webhook_deliveries",
}  # fmt: skip


def _locked_by_an_index(source: str) -> set[str]:
    """The tables that an index is built on in a way that keeps everybody from writing."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    bare = [call for call in calls if ast.unparse(call.func) == "op.create_index"]
    raw = r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)[^(]*? ON (?:ONLY )?(\w+)"
    return {
        ast.literal_eval(call.args[1])
        for call in bare
        if len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    } | set(re.findall(raw, source))


def test_an_index_on_a_table_that_payments_write_is_built_beside_them() -> None:
    """See server/migrations/indexes.py; the first migrations ran before anybody paid."""
    files = (ROOT / "server/migrations/versions").glob("0*.py")
    waits = {
        file.name: locked
        for file in files
        if int(file.name[:4]) > 85
        and (locked := _locked_by_an_index(file.read_text()) & WRITTEN_WHILE_PAYING)
    }
    assert waits == {}


def test_every_table_is_in_the_audit_log_or_declared_outside() -> None:
    """A new table: say in server/audit/sealed.py what the log holds of it, or why nothing."""
    import server.tables  # noqa: F401
    from server.audit.sealed import OUTSIDE, RECORDED, SEALED
    from server.database import Base

    lists = [*SEALED, *RECORDED, *OUTSIDE]
    assert sorted(lists) == sorted(Base.metadata.tables)
    for name, rule in (SEALED | RECORDED).items():
        columns = {column.name for column in Base.metadata.tables[name].columns}
        assert rule.digests | rule.left_out <= columns, name


def test_the_committed_interface_is_the_one_the_code_offers() -> None:
    """`make golden` writes it anew; the difference is then reviewed with the change."""
    from openapi_spec_validator import validate

    from server.app import create_interface
    from server.openapi import text

    committed = (ROOT / "docs/openapi.json").read_text()
    assert committed == text(create_interface())
    document = json.loads(committed)
    validate(document)
    named = []
    for path, operations in document["paths"].items():
        assert path.startswith("/v1") or path in {"/livez", "/readyz", "/metrics"}, path
        for operation in operations.values():
            assert operation["summary"], path
            assert "default" in operation["responses"], path
            named.append(operation["operationId"])
    assert len(named) == len(set(named))


def test_every_route_says_whom_it_lets_in() -> None:
    """A new route is closed by a dependency, or stands in PUBLIC because somebody decided so."""
    from server import access
    from server.app import create_interface
    from tests.server.identity.test_api_keys import PUBLIC

    rules = access.rules(create_interface())
    assert len(rules) > 40
    assert {f"{rule.method} {rule.path}" for rule in rules if rule.public} == PUBLIC


def test_the_committed_table_of_roles_is_the_one_the_routes_make() -> None:
    from server import access
    from server.app import create_interface

    told = (ROOT / "docs/roles.md").read_text()
    assert told == access.table(create_interface()), "review and commit what `make golden` writes"


def test_every_fact_is_documented_and_no_other() -> None:
    from server.webhooks.facts import FACTS

    text = (ROOT / "docs/api.md").read_text()
    assert set(re.findall(r"^\| `([a-z]+\.[a-z]+)`", text, re.M)) == set(FACTS)


def test_every_regular_work_has_its_words_on_the_page_of_health() -> None:
    source = (ROOT / "server" / "jobs.py").read_text()
    names = re.findall(r'"(\w+)": \(\s*[A-Z]', source) + re.findall(r'works\["(\w+)"\]', source)
    page = (ROOT / "server" / "office" / "templates" / "health.html").read_text()
    assert len(names) > 10
    assert [name for name in names if f'"{name}": _(' not in page] == []
