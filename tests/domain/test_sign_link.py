import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.parking import SpotCodeError, spot_code
from domain.proof import KIND, Seal, is_proof
from domain.sign_link import LAST_VERSION, Newest, SignVerdict, make, read, verify

SITE = "https://parkir.contoh.go.id"
SPOT, OTHER = spot_code("MTG", 12), spot_code("MTG", 13)
SEAL, STRANGER = (Seal(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
KEYS = {SEAL.key_id: SEAL.public}
HERE = Newest(3, in_force=True)
GENUINE = make(SEAL, SITE, SPOT, 3)


def judged(text: str, newest: Newest | None = HERE) -> SignVerdict:
    return verify(text, SITE, KEYS, SPOT, newest)


def swapped(text: str) -> str:
    """Signed by a stranger, who says it was us."""
    ours, token = len(GENUINE) - 174, make(STRANGER, SITE, SPOT, 3)[-174:]
    told = bytearray(int(token).to_bytes(72))
    told[:6] = int(GENUINE[ours:]).to_bytes(72)[:6]
    return text[:ours] + f"{int.from_bytes(told):0174d}"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (GENUINE, SignVerdict.GENUINE),
        (make(SEAL, SITE, SPOT, 2), SignVerdict.OLD),
        (make(SEAL, SITE, SPOT, 4), SignVerdict.NEWER),
        (make(SEAL, SITE, OTHER, 3), SignVerdict.OTHER_SPOT),
        (make(SEAL, SITE, OTHER, 3).replace(OTHER, SPOT), SignVerdict.FORGED),
        (GENUINE.replace(SPOT, OTHER), SignVerdict.FORGED),
        (make(STRANGER, SITE, SPOT, 3), SignVerdict.OTHER_KEY),
        (swapped(GENUINE), SignVerdict.FORGED),
        (make(SEAL, "https://parkir-contoh.example", SPOT, 3), SignVerdict.NOT_A_SIGN),
        (make(SEAL, f"{SITE}.evil.example", SPOT, 3), SignVerdict.NOT_A_SIGN),
        (f"{SITE}/p/{SPOT}", SignVerdict.NOT_A_SIGN),
        (f"{SITE}/p/{SPOT}?s=1", SignVerdict.NOT_A_SIGN),
        (GENUINE + "0", SignVerdict.NOT_A_SIGN),
        (GENUINE + "&s=1", SignVerdict.NOT_A_SIGN),
        (GENUINE.replace(SPOT, SPOT.lower()), SignVerdict.NOT_A_SIGN),
        (GENUINE.replace(SPOT, f"x/{SPOT}"), SignVerdict.NOT_A_SIGN),
        (f"{SITE}/p/{SPOT}?s=" + "9" * 174, SignVerdict.NOT_A_SIGN),
        (f"{SITE}/p/{SPOT}?s=" + "0" * 174, SignVerdict.OTHER_KEY),
        (GENUINE[:-1] + "٣", SignVerdict.NOT_A_SIGN),
        (SEAL.sign_claims(KIND, {"s": SPOT}), SignVerdict.NOT_A_SIGN),
        ("", SignVerdict.NOT_A_SIGN),
    ],
)
def test_only_the_offices_link_of_this_spot_and_version_is_genuine(text, verdict):
    assert judged(text) is verdict


def test_no_altered_digit_is_genuine():
    start = GENUINE.index("?s=") + 3
    for place in range(start, len(GENUINE)):
        digit = str((int(GENUINE[place]) + 1) % 10)
        altered = GENUINE[:place] + digit + GENUINE[place + 1 :]
        assert judged(altered) is not SignVerdict.GENUINE


def test_a_withdrawn_sign_is_old_and_one_never_heard_of_is_newer():
    assert judged(GENUINE, Newest(3, in_force=False)) is SignVerdict.OLD
    assert judged(GENUINE, None) is SignVerdict.NEWER


def test_a_key_that_is_no_key_proves_nothing():
    verdict = verify(GENUINE, SITE, {SEAL.key_id: b"short"}, SPOT, HERE)
    assert verdict is SignVerdict.FORGED


def test_a_link_says_what_it_was_made_of():
    link = read(make(SEAL, SITE, SPOT, LAST_VERSION), SITE)
    assert (link.spot, link.version, link.key_id) == (SPOT, LAST_VERSION, SEAL.key_id)


@pytest.mark.parametrize("version", [0, -1, LAST_VERSION + 1])
def test_a_version_out_of_range_is_refused(version):
    with pytest.raises(ValueError, match="version"):
        make(SEAL, SITE, SPOT, version)


def test_a_spot_is_written_in_one_way_only():
    with pytest.raises(SpotCodeError):
        make(SEAL, SITE, SPOT.lower(), 1)


def test_no_signature_of_a_sign_can_stand_under_a_proof():
    assert not is_proof(GENUINE)
    with pytest.raises(ValueError, match="JWS"):
        SEAL.sign_bytes(b"eyJhbGciOiJFZERTQSJ9.e30")
