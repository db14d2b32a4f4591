"""One check character for codes that people read aloud and type: spots and receipts.

Damm's scheme over [0-9A-Z], a quasigroup of order 36 built as the product of the fields GF(4) and
GF(9) (H. M. Damm, "Total anti-symmetrische Quasigruppen", Marburg 2004: a product of totally
anti-symmetric quasigroups is one). ISO 7064 MOD 37,36 was not taken: it misses some swaps.
"""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LONGEST = 64
_TAKEN = frozenset(ALPHABET + ALPHABET.lower())

# A non-zero start makes a lost or an added leading zero visible as well.
_START = 10
_FILLERS = str.maketrans(dict.fromkeys("-‐‑‒–—−. \t\n\r\u00a0"))


class CheckDigitError(ValueError):
    """The text holds something other than [0-9A-Z] and hyphens, nothing at all, or too much."""


def append(text: str) -> str:
    """``text`` with its check character as a last group: ``MTG-012`` gives ``MTG-012-3``.

    Hyphens in the text are kept and not reckoned. Raises CheckDigitError for an empty or overlong
    text and for characters outside [0-9A-Z-].
    """
    state = _fold(text)
    # Appending c leads to times(state) + c, so the c that leads to zero is -times(state).
    return f"{text}-{ALPHABET[_negative(_times(state))]}"


def is_valid(text: str) -> bool:
    """Whether the last character is the check character of those before it; hyphens are ignored.

    Catches every single wrong character, every swap of neighbours and of next-but-one neighbours,
    and every doubled character mistyped as another (11 for 22). Never raises.
    """
    try:
        return len(text.replace("-", "")) > 1 and _fold(text) == 0
    except CheckDigitError:
        return False


def typed(text: str) -> str:
    """What somebody typed, reduced to [0-9A-Z]: spaces, dots and dashes gone, letters raised.

    Raises CheckDigitError for an empty or overlong text and for any other character.
    """
    bare = text.translate(_FILLERS)
    _require(bare)
    return bare.upper()


def _require(bare: str) -> None:
    if not 0 < len(bare) <= LONGEST:
        raise CheckDigitError(f"want 1 to {LONGEST} characters")
    for character in bare:
        if character not in _TAKEN:
            raise CheckDigitError(f"{character!r} is not a letter A-Z or a digit")


def _fold(text: str) -> int:
    bare = text.replace("-", "")
    if bare != bare.upper():
        raise CheckDigitError("letters must be capitals")
    _require(bare)
    state = _START
    for character in bare:
        state = _NEXT[state][character]
    return state


# An element is one number 0-35: its GF(4) part is element // 9, its GF(9) part element % 9, which
# in turn is a + 3b for a + bi with i*i = -1 over the integers mod 3.
_TIMES_4 = (0, 2, 3, 1)


def _times(element: int) -> int:
    """Times the product of both fields' generators: x in GF(4), 1 + i in GF(9)."""
    b, a = divmod(element % 9, 3)
    return 9 * _TIMES_4[element // 9] + 3 * ((a + b) % 3) + (a - b) % 3


def _plus(left: int, right: int) -> int:
    a = (left % 3 + right % 3) % 3
    b = (left % 9 // 3 + right % 9 // 3) % 3
    return 9 * ((left // 9) ^ (right // 9)) + 3 * b + a


# Every step there is: each receipt number is reckoned more than once on the way to its driver.
_NEXT = tuple(
    {character: _plus(_times(state), place) for place, character in enumerate(ALPHABET)}
    for state in range(len(ALPHABET))
)


def _negative(element: int) -> int:
    # Twice an element is its negative in GF(9), where 1 + 2 = 0; in GF(4) each is its own.
    nine = _plus(element % 9, element % 9)
    return element // 9 * 9 + nine
