"""Checks an export of the audit log without Karcis: `python3 periksa.py FOLDER`.

Standard library only, and one file, because it travels with every export and must run on the
auditor's machine for years. The signature is checked too where the library `cryptography` is there.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

DIFFERENCES = 3
NODE = 32


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: "list[bytes]", root: bytes) -> bool:
    """Whether a leaf hash stands at `index` of the tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, found = index, size - 1, leaf
    for step in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            found = node_hash(step, found)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = node_hash(found, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and found == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: "list[bytes]"
) -> bool:
    """Whether the tree of `new` leaves begins with that of `old` leaves (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return old == 0 and not proof
    if old == new:
        return not proof and old_root == new_root
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            was, now = node_hash(step, was), node_hash(step, now)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            now = node_hash(now, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and was == old_root and now == new_root


def read_checkpoint(note: str) -> "tuple[str, int, bytes]":
    """Origin, size and root of a checkpoint; raises ValueError."""
    text, gap, _signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3 or not all(lines):
        raise ValueError("not a checkpoint")
    size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    if str(size) != lines[1] or len(root) != NODE:
        raise ValueError("not a checkpoint")
    return lines[0], size, root


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes by which a signature names its Ed25519 key (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]


def signatures(note: str) -> "tuple[bytes, list[tuple[str, bytes, bytes]]]":
    """The signed text, and of each signature its key's name, the key id and the signature."""
    text, gap, told = note.partition("\n\n")
    if not gap:
        raise ValueError("not a signed note")
    found = []
    for line in told.splitlines():
        dash, name, code = line.split(" ")
        raw = base64.b64decode(code, validate=True)
        if dash != "—" or len(raw) < 5:
            raise ValueError("not a signed note")
        found.append((name, raw[:4], raw[4:]))
    return (text + "\n").encode(), found


def is_signed(note: str, keys: "list[bytes]") -> "bool | None":
    """Whether one of these public keys signed a note; None where nobody can tell here."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None
    text, found = signatures(note)
    for name, said, signature in found:
        for key in keys:
            if key_id(name, key) != said:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
            except InvalidSignature:
                continue
            return True
    return False


def _read_note(path: Path) -> str:
    return path.read_bytes().decode()


def _unpack(codes: "list[str]") -> "list[bytes]":
    return [base64.b64decode(code, validate=True) for code in codes]


def check_rows(folder: Path, size: int, root: bytes) -> "tuple[int, list[str]]":
    """How many rows there are, and the lines that are not what was sealed."""
    count = 0
    wrong: list[str] = []
    with (folder / "rows.jsonl").open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            count += 1
            try:
                told = json.loads(line)
                leaf = leaf_hash(told["row"].encode())
                held = verify_inclusion(leaf, told["seq"], size, _unpack(told["proof"]), root)
            except (ValueError, KeyError, TypeError, AttributeError):
                held = False
            if not held:
                wrong.append(f"rows.jsonl line {number} is not what was sealed")
    return count, wrong


def check(folder: Path) -> "tuple[list[str], list[str]]":
    """What holds, and what does not, each in words."""
    good = []
    note = _read_note(folder / "checkpoint.txt")
    about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    origin, size, root = read_checkpoint(note)
    count, wrong = check_rows(folder, size, root)
    if count != about["rows"]:
        wrong.append(f"there are {count} rows, and export.json tells of {about['rows']}")
    if not wrong:
        good.append(f"{count} rows are in the log {origin} of {size} rows")
    signed = is_signed(note, _unpack(about["public_keys"]))
    if signed is None:
        good.append("the signature was NOT checked: install `cryptography` for that")
    elif signed:
        good.append("the checkpoint is signed by a key that export.json names")
    else:
        wrong.append("the checkpoint is not signed by a key that export.json names")
    earlier = folder / "earlier-checkpoint.txt"
    if earlier.exists():
        _origin, old, old_root = read_checkpoint(_read_note(earlier))
        proof = _unpack(about["consistency"])
        if verify_consistency(old, size, old_root, root, proof):
            good.append(f"the log extends that of the earlier checkpoint, of {old} rows")
        else:
            wrong.append("the log does NOT extend that of the earlier checkpoint")
    return good, wrong


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python3 periksa.py FOLDER")
        return 2
    try:
        good, wrong = check(Path(sys.argv[1]))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        good, wrong = [], [f"this is no whole export: {type(exc).__name__}: {exc}"]
    for line in good:
        print("ok    " + line)
    for line in wrong:
        print("WRONG " + line)
    return DIFFERENCES if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
