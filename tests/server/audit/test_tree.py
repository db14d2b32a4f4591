"""The tree and its notes agree with published vectors, and no changed proof is believed."""

from base64 import b64decode, b64encode
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.audit import tree, verifier
from server.audit.notes import Checkpoint, sign_note

# The entries, roots and proofs of the Certificate Transparency reference test (RFC 6962).
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCY = {
    (1, 8): INCLUSION[0, 8],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
# The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note is.
NOTE_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
)


def span(leaves: Sequence[bytes], first: int, after: int) -> bytes:
    """A span's hash as RFC 6962 2.1 defines it, in its own words."""
    if after - first == 0:
        return tree.EMPTY
    if after - first == 1:
        return leaves[first]
    middle = first
    while (middle - first or 0.5) * 2 < after - first:
        middle = first + int((middle - first or 0.5) * 2)
    return verifier.node_hash(span(leaves, first, middle), span(leaves, middle, after))


def proof(leaves: Sequence[bytes], spans: Sequence[tuple[int, int]]) -> list[bytes]:
    return [span(leaves, *one) for one in spans]


LEAVES = [tree.leaf_hash(entry) for entry in ENTRIES]


def test_roots_are_those_of_the_reference() -> None:
    grown = tree.Frontier()
    for size, expected in enumerate(ROOTS):
        assert grown.root().hex() == span(LEAVES, 0, size).hex() == expected
        if size < len(LEAVES):
            grown.add(LEAVES[size])


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference(index: int, size: int) -> None:
    found = proof(LEAVES, tree.inclusion(index, size))
    assert [step.hex() for step in found] == INCLUSION[index, size]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference(old: int, new: int) -> None:
    found = proof(LEAVES, tree.consistency(old, new))
    assert [step.hex() for step in found] == CONSISTENCY[old, new]


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value) ^ 1 << bit % (8 * len(value))).to_bytes(len(value))


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=130), st.data())
def test_every_proof_is_believed_and_no_changed_one(
    entries: list[bytes], data: st.DataObject
) -> None:
    leaves = [tree.leaf_hash(entry) for entry in entries]
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    bit = data.draw(st.integers(0, 255))
    root, old_root = span(leaves, 0, size), span(leaves, 0, old)

    path = proof(leaves, tree.inclusion(index, size))
    assert verifier.verify_inclusion(leaves[index], index, size, path, root)
    assert not verifier.verify_inclusion(flipped(leaves[index], bit), index, size, path, root)
    assert not verifier.verify_inclusion(leaves[index], index, size, path, flipped(root, bit))
    assert not verifier.verify_inclusion(leaves[index], index, size, [*path, root], root)
    for at, step in enumerate(path):
        wrong = [*path[:at], flipped(step, bit), *path[at + 1 :]]
        assert not verifier.verify_inclusion(leaves[index], index, size, wrong, root)

    path = proof(leaves, tree.consistency(old, size))
    assert verifier.verify_consistency(old, size, old_root, root, path)
    assert not verifier.verify_consistency(old, size, flipped(old_root, bit), root, path)
    assert not verifier.verify_consistency(old, size, old_root, flipped(root, bit), path)
    for at, step in enumerate(path):
        wrong = [*path[:at], flipped(step, bit), *path[at + 1 :]]
        assert not verifier.verify_consistency(old, size, old_root, root, wrong)


@given(st.integers(0, 10**7), st.integers(0, 5_000))
def test_whole_subtrees_are_a_span_without_gaps(before: int, count: int) -> None:
    first = before * 8192  # a span of a tree begins where its largest subtree may
    ends = [
        (number << height, (number + 1) << height)
        for height, number in tree.wholes(first, first + count)
    ]
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]
    assert (ends[0][0], ends[-1][1]) == (first, first + count) if count else not ends


def test_a_note_is_signed_as_the_reference_signs_it() -> None:
    key = Ed25519PrivateKey.from_private_bytes(NOTE_SEED)
    text = NOTE.partition("\n\n")[0] + "\n"
    assert sign_note(text, "PeterNeumann", key) == NOTE
    public = key.public_key().public_bytes_raw()
    assert verifier.is_signed(NOTE, [public])
    assert not verifier.is_signed(NOTE.replace("cryptography", "cryptographY"), [public])
    assert not verifier.is_signed(NOTE, [bytes(32)])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "karcis\n1\n",
        "karcis\n01\n" + b64encode(bytes(32)).decode() + "\n\n",
        "karcis\n1\n" + b64encode(bytes(31)).decode() + "\n\n",
        "karcis\nsatu\n" + b64encode(bytes(32)).decode() + "\n\n",
        "\n1\n" + b64encode(bytes(32)).decode() + "\n\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|invalid literal|base64|padding"):
        Checkpoint.read(note)
