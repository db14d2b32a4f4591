"""The chart of accounts and the posting rules, pure: from a fact about money to an entry's legs.

Debit +, credit -. Every function returns legs that sum to zero; docs/money.md works each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.shares import NO_SHARES, Shares

RKUD = "1100"
BANK = "1110"
RECEIVABLE = "1120"
IN_TRANSIT = "1130"
CASH_HELD = "1140"
DEPOSITS_IN_TRANSIT = "1150"
TRANSFERS_IN_TRANSIT = "1160"
REMITTED_IN_TRANSIT = "1161"
PAYOUTS_IN_TRANSIT = "1162"
VOUCHER_SELLERS = "1170"
REFUNDS_PAYABLE = "2110"
ATTENDANT_PAYABLE = "2120"
THIRD_PARTY_PAYABLE = "2130"
VOUCHERS = "2140"
TO_GIVE_BACK = "2150"
SUSPENSE = "2190"
PASSES = "4120"
VOUCHER_REST = "4190"
OTHER_INCOME = "4210"
WITHHELD_TAX = "1180"
FEE_CLAIMS = "1190"
MDR_EXPENSE = "5110"
MDR_VAT = "5130"
SHARE_EXPENSE = "5120"
WRITTEN_OFF = "5140"
OTHER_EXPENSE = "5190"


@dataclass(frozen=True)
class ChartAccount:
    """A ledger account; `kind` is asset, liability, revenue or expense."""

    code: str
    name: str
    kind: str


CHART = (
    ChartAccount(RKUD, "Kas daerah (RKUD)", "asset"),
    ChartAccount(BANK, "Rekening penerimaan", "asset"),
    ChartAccount(RECEIVABLE, "Piutang acquirer QRIS", "asset"),
    ChartAccount(IN_TRANSIT, "Pencairan dalam perjalanan", "asset"),
    ChartAccount(CASH_HELD, "Kas di tangan juru parkir", "asset"),
    ChartAccount(DEPOSITS_IN_TRANSIT, "Setoran tunai dalam perjalanan", "asset"),
    ChartAccount(TRANSFERS_IN_TRANSIT, "Transfer pengembalian dalam perjalanan", "asset"),
    ChartAccount(REMITTED_IN_TRANSIT, "STS dalam perjalanan", "asset"),
    ChartAccount(PAYOUTS_IN_TRANSIT, "Bagi hasil dalam perjalanan", "asset"),
    ChartAccount(VOUCHER_SELLERS, "Piutang penjual voucher", "asset"),
    ChartAccount(WITHHELD_TAX, "PPh atas jasa acquirer", "asset"),
    ChartAccount(FEE_CLAIMS, "Klaim kelebihan MDR kepada acquirer", "asset"),
    ChartAccount(REFUNDS_PAYABLE, "Utang pengembalian", "liability"),
    ChartAccount(ATTENDANT_PAYABLE, "Utang bagi hasil juru parkir", "liability"),
    ChartAccount(THIRD_PARTY_PAYABLE, "Utang bagi hasil pihak ketiga", "liability"),
    ChartAccount(VOUCHERS, "Voucher beredar", "liability"),
    ChartAccount(TO_GIVE_BACK, "Titipan yang harus dikembalikan", "liability"),
    ChartAccount(SUSPENSE, "Titipan belum dikenali", "liability"),
    ChartAccount(PASSES, "Retribusi parkir berlangganan", "revenue"),
    ChartAccount(VOUCHER_REST, "Sisa nilai voucher", "revenue"),
    ChartAccount(OTHER_INCOME, "Pendapatan lain (jasa giro dan bunga)", "revenue"),
    ChartAccount(MDR_EXPENSE, "Beban MDR", "expense"),
    ChartAccount(SHARE_EXPENSE, "Beban bagi hasil", "expense"),
    ChartAccount(MDR_VAT, "Beban PPN atas MDR", "expense"),
    ChartAccount(WRITTEN_OFF, "Selisih pencairan yang dihapuskan", "expense"),
    ChartAccount(OTHER_EXPENSE, "Beban lain", "expense"),
)
"""Every account but the zones' revenue accounts, which `zone_account` gives."""


def revenue(zone_code: str) -> str:
    """The code of a zone's revenue account."""
    return f"4110.{zone_code}"


def zone_account(zone_code: str, zone_name: str) -> ChartAccount:
    """The revenue account of a zone."""
    return ChartAccount(revenue(zone_code), f"Retribusi parkir {zone_name}", "revenue")


@dataclass(frozen=True)
class Leg:
    """One posting: whole rupiah on one account, debit positive.

    `party` is the key within the account's subsidiary ledger: whose debt or claim it is.
    """

    account: str
    amount_rp: int
    party: str | None = None


def for_payment(amount_rp: int, zone_code: str, shares: Shares = NO_SHARES) -> tuple[Leg, ...]:
    """A charge paid exactly: the acquirer owes us, the zone has earned, the shares are owed."""
    return _balanced(Leg(RECEIVABLE, amount_rp), *_earned(amount_rp, zone_code, shares))


def for_suspense(amount_rp: int) -> tuple[Leg, ...]:
    """Money that does not fit its charge, as its flag says: held until explained."""
    return _balanced(Leg(RECEIVABLE, amount_rp), Leg(SUSPENSE, -amount_rp))


def for_cash_suspense(amount_rp: int, attendant: str) -> tuple[Leg, ...]:
    """Cash that does not fit its charge: owed by the attendant, and held until explained."""
    return _balanced(Leg(CASH_HELD, amount_rp, attendant), Leg(SUSPENSE, -amount_rp))


def for_recognised(amount_rp: int, zone_code: str, shares: Shares = NO_SHARES) -> tuple[Leg, ...]:
    """Money in suspense found to be a zone's earning after all."""
    return _balanced(Leg(SUSPENSE, amount_rp), *_earned(amount_rp, zone_code, shares))


def for_recognised_cost(amount_rp: int) -> tuple[Leg, ...]:
    """What went out of the account, held in suspense, found to be a cost."""
    return _balanced(Leg(OTHER_EXPENSE, amount_rp), Leg(SUSPENSE, -amount_rp))


def for_cash(
    amount_rp: int, zone_code: str, attendant: str, shares: Shares = NO_SHARES
) -> tuple[Leg, ...]:
    """Cash taken by an attendant, who owes it to the office until it is deposited."""
    return _balanced(Leg(CASH_HELD, amount_rp, attendant), *_earned(amount_rp, zone_code, shares))


def for_cash_deposit(amount_rp: int, attendant: str) -> tuple[Leg, ...]:
    """An attendant proved to have paid in cash: no longer owed, not yet seen on the account."""
    return _balanced(Leg(DEPOSITS_IN_TRANSIT, amount_rp), Leg(CASH_HELD, -amount_rp, attendant))


def for_vouchers_sold(value_rp: int, seller: str) -> tuple[Leg, ...]:
    """Vouchers handed to a seller, who owes their value; the office owes their bearers parking."""
    return _balanced(Leg(VOUCHER_SELLERS, value_rp, seller), Leg(VOUCHERS, -value_rp))


def for_voucher_payment(amount_rp: int, seller: str) -> tuple[Leg, ...]:
    """A seller proved to have paid for vouchers: not yet seen on the account."""
    return _balanced(Leg(DEPOSITS_IN_TRANSIT, amount_rp), Leg(VOUCHER_SELLERS, -amount_rp, seller))


def for_voucher(
    value_rp: int, amount_rp: int, zone_code: str, shares: Shares = NO_SHARES
) -> tuple[Leg, ...]:
    """A stay of `amount_rp` paid by a voucher of `value_rp`, whose rest is not given back."""
    rest = Leg(VOUCHER_REST, amount_rp - value_rp)
    return _balanced(Leg(VOUCHERS, value_rp), *_earned(amount_rp, zone_code, shares), rest)


def for_vouchers_voided(value_rp: int, seller: str) -> tuple[Leg, ...]:
    """Vouchers lost or returned unsold: nobody parks by them, and the seller does not owe them."""
    return reverse(for_vouchers_sold(value_rp, seller))


def for_pass_sold(price_rp: int) -> tuple[Leg, ...]:
    """A pass proved to be paid for: earned at once, not yet seen on the account."""
    return _balanced(Leg(DEPOSITS_IN_TRANSIT, price_rp), Leg(PASSES, -price_rp))


def for_pass_paid(price_rp: int) -> tuple[Leg, ...]:
    """A pass paid for by QRIS: the acquirer owes us, and it is earned at once; nobody shares it."""
    return _balanced(Leg(RECEIVABLE, price_rp), Leg(PASSES, -price_rp))


def for_pass_recognised(amount_rp: int) -> tuple[Leg, ...]:
    """Money in suspense for which the pass that it was meant for is given after all."""
    return _balanced(Leg(SUSPENSE, amount_rp), Leg(PASSES, -amount_rp))


def for_pass_refund_due(amount_rp: int) -> tuple[Leg, ...]:
    """A refund of what a pass earned was decided: the payer is owed it."""
    return _balanced(Leg(PASSES, amount_rp), Leg(REFUNDS_PAYABLE, -amount_rp))


def for_refund_due(amount_rp: int, zone_code: str, shares: Shares = NO_SHARES) -> tuple[Leg, ...]:
    """A refund of earned money was decided: earning and shares are taken back, the payer is owed.

    `shares` are those in the returned amount.
    """
    earned = reverse(_earned(amount_rp, zone_code, shares))
    return _balanced(*earned, Leg(REFUNDS_PAYABLE, -amount_rp))


def for_suspense_refund_due(amount_rp: int) -> tuple[Leg, ...]:
    """A refund of money in suspense was decided: the payer is owed what was held."""
    return _balanced(Leg(SUSPENSE, amount_rp), Leg(REFUNDS_PAYABLE, -amount_rp))


def for_refund_by_acquirer(amount_rp: int) -> tuple[Leg, ...]:
    """The acquirer returned the money to the payer, out of what it owes us."""
    return _balanced(Leg(REFUNDS_PAYABLE, amount_rp), Leg(RECEIVABLE, -amount_rp))


def for_refund_by_transfer(amount_rp: int) -> tuple[Leg, ...]:
    """The office ordered a transfer to the payer, not yet seen on the account."""
    return _balanced(Leg(REFUNDS_PAYABLE, amount_rp), Leg(TRANSFERS_IN_TRANSIT, -amount_rp))


def for_remittance(amount_rp: int) -> tuple[Leg, ...]:
    """The office handed in to the regency's account, not yet seen leaving its own."""
    return _balanced(Leg(RKUD, amount_rp), Leg(REMITTED_IN_TRANSIT, -amount_rp))


def for_share_paid(amount_rp: int, payable: str, party: str) -> tuple[Leg, ...]:
    """The bank said that a share was paid to whom it is owed, not yet seen on the account.

    `payable` names the account it was owed on: an attendant's, or a third party's.
    """
    return _balanced(Leg(payable, amount_rp, party), Leg(PAYOUTS_IN_TRANSIT, -amount_rp))


def for_settlement(
    gross_rp: int, mdr_rp: int, vat_rp: int = 0, withheld_rp: int = 0
) -> tuple[Leg, ...]:
    """A settled batch: the acquirer paid out the gross less its fee and the taxes on it.

    Value added tax on the fee is a cost as the fee is. Income tax on it, which the acquirer kept
    back, is a claim; negative where it was paid out for us to hand in, and then a debt.
    """
    return _balanced(*_paid_out(gross_rp, mdr_rp, vat_rp, withheld_rp), Leg(RECEIVABLE, -gross_rp))


def for_unbooked_settlement(
    gross_rp: int, mdr_rp: int, vat_rp: int = 0, withheld_rp: int = 0
) -> tuple[Leg, ...]:
    """A settled line for money we never recorded: paid out all the same, held until explained."""
    return _balanced(*_paid_out(gross_rp, mdr_rp, vat_rp, withheld_rp), Leg(SUSPENSE, -gross_rp))


def for_explained_settlement(gross_rp: int) -> tuple[Leg, ...]:
    """The money of an unbooked line was recorded later: the line settles what the acquirer owes."""
    return _balanced(Leg(SUSPENSE, gross_rp), Leg(RECEIVABLE, -gross_rp))


def for_bank_credit(amount_rp: int, clears: str = IN_TRANSIT, into: str = BANK) -> tuple[Leg, ...]:
    """A movement on the collecting account, negative for a debit, which an account awaits.

    `clears` names that account: a batch's payout, a deposit, a refund's transfer, what was
    handed in to the regency, or a payout of shares. `into` is the RKUD where the acquirer settles
    straight into it.
    """
    return _balanced(Leg(into, amount_rp), Leg(clears, -amount_rp))


def for_unknown_movement(amount_rp: int) -> tuple[Leg, ...]:
    """A credit or (negative) debit that names nothing we know: held until explained."""
    return _balanced(Leg(BANK, amount_rp), Leg(SUSPENSE, -amount_rp))


def for_explained_movement(amount_rp: int, clears: str = IN_TRANSIT) -> tuple[Leg, ...]:
    """What an unknown movement is became known: `clears` names the account that awaited it.

    Two officers may also find it to be other income, a stranger's money, or the transfer that gives
    such money back.
    """
    return _balanced(Leg(SUSPENSE, amount_rp), Leg(clears, -amount_rp))


def for_written_off(difference_rp: int, awaits: str) -> tuple[Leg, ...]:
    """A difference nobody will make good: what came less than an account awaits is a loss.

    `difference_rp` is what came less what was to come; `awaits` is the acquirer's debt, or what is
    on its way to the bank.
    """
    return _balanced(Leg(WRITTEN_OFF, -difference_rp), Leg(awaits, difference_rp))


def for_fee_claimed(excess_rp: int) -> tuple[Leg, ...]:
    """The acquirer kept more than its fee: that is its debt, and no cost of ours."""
    return _balanced(Leg(FEE_CLAIMS, excess_rp), Leg(MDR_EXPENSE, -excess_rp))


def for_claim_paid(amount_rp: int, out_of: str) -> tuple[Leg, ...]:
    """The acquirer paid what was claimed of it.

    `out_of` is where its money was posted: suspense, or the fee where a line gives it back.
    """
    return _balanced(Leg(out_of, amount_rp), Leg(FEE_CLAIMS, -amount_rp))


def for_claim_refused(amount_rp: int) -> tuple[Leg, ...]:
    """The acquirer will not pay what was claimed of it: that is a loss."""
    return _balanced(Leg(WRITTEN_OFF, amount_rp), Leg(FEE_CLAIMS, -amount_rp))


def reverse(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """The legs that undo an entry: how a mistake is corrected, since no entry is ever changed."""
    return tuple(Leg(leg.account, -leg.amount_rp, leg.party) for leg in legs)


def _paid_out(gross_rp: int, mdr_rp: int, vat_rp: int, withheld_rp: int) -> tuple[Leg, ...]:
    return (
        Leg(IN_TRANSIT, gross_rp - mdr_rp - vat_rp - withheld_rp),
        Leg(MDR_EXPENSE, mdr_rp),
        Leg(MDR_VAT, vat_rp),
        Leg(WITHHELD_TAX, withheld_rp),
    )


def _earned(amount_rp: int, zone_code: str, shares: Shares) -> tuple[Leg, ...]:
    """Revenue in full (azas bruto), and apart from it what others are owed of it."""
    return (
        Leg(revenue(zone_code), -amount_rp),
        Leg(SHARE_EXPENSE, shares.total_rp),
        Leg(ATTENDANT_PAYABLE, -shares.attendant_rp, shares.attendant),
        Leg(THIRD_PARTY_PAYABLE, -shares.third_party_rp, shares.third_party),
    )


def _balanced(*legs: Leg) -> tuple[Leg, ...]:
    kept = tuple(leg for leg in legs if leg.amount_rp != 0)
    if sum(leg.amount_rp for leg in kept) != 0:
        raise ArithmeticError(f"legs do not sum to zero: {kept}")
    return kept
