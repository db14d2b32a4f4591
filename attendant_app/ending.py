"""What pays a stay as its vehicle leaves, beside our own code and cash: the driver's wallet, whose
code is scanned, or a voucher.

A wallet is asked only for what the office says is owed, since its code lives a minute. A voucher is
taken offline too, for what is quoted here, and is amber until the office has it.
"""

from attendant_app import problems, service, stays, vouchers
from attendant_app.runtime import Handheld
from attendant_app.store import Charge
from domain.payment import ChargeKind
from domain.tariff import VehicleClass


async def charge_wallet(
    handheld: Handheld, stay_id: str, consumer_qr: str, charge_id: str, asked_rp: str
) -> Charge | None:
    """Have the driver's wallet asked for what the stay owes; None where that is nothing, or not
    what the screen asked for: an hour may have begun since.
    """
    if handheld.store.charge(charge_id) is None:
        stays.check_id(charge_id)
        service.may_collect(handheld, consumer_qr)
        stays.refuse_while_charged(handheld, stays.get(handheld, stay_id))
        stay = await stays.leave(handheld, stay_id)
        if (stay.known or {}).get("state") != "ended":
            raise problems.ServerUnreachable
        owed_rp = stays.owed_rp(handheld, stay)
        if not owed_rp or str(owed_rp) != asked_rp:
            return None
    more = {"consumer_qr": consumer_qr}
    return await stays.collect(handheld, stay_id, ChargeKind.CPM, charge_id=charge_id, more=more)


async def take_voucher(
    handheld: Handheld, stay_id: str, text: str, charge_id: str, asked_rp: str
) -> Charge | None:
    """Redeem a voucher for what the stay owes; None where that is nothing, or not what the screen
    asked for, and the voucher is kept.

    Raises why the voucher does not pay what is quoted here, and has then not ended the stay.
    """
    if handheld.store.charge(charge_id) is not None:
        return await service.first_answer(handheld, charge_id)
    stays.check_id(charge_id)
    stay = stays.get(handheld, stay_id)
    stays.refuse_while_charged(handheld, stay)
    wheels, quoted_rp = VehicleClass(stay.vehicle_class), stays.owed_rp(handheld, stay)
    if str(quoted_rp) != asked_rp:
        return None
    vouchers.worth(handheld, wheels, quoted_rp, text)
    stay = await stays.leave(handheld, stay_id)
    owed_rp = stays.owed_rp(handheld, stay)
    if not owed_rp or str(owed_rp) != asked_rp:
        return None
    voucher = vouchers.worth(handheld, wheels, owed_rp, text)
    return await stays.collect(
        handheld,
        stay_id,
        ChargeKind.VOUCHER,
        charge_id=charge_id,
        more=vouchers.as_sent(handheld, text)
        | {"spot": stay.spot, "vehicle_class": stay.vehicle_class},
        fact={"serial": voucher.serial},
    )
