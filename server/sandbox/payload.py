"""The QRIS code issued for one order: dynamic, merchant presented, without tip or fee."""

import qris
from server.sandbox.settings import Settings


def dynamic(settings: Settings, amount_rp: int, bill_number: str, terminal: str) -> str:
    """The text of the code; `bill_number` (62.01) is the acquirer's own reference."""
    merchant = qris.static(
        nmid=settings.nmid,
        acquirer_guid=settings.acquirer_domain,
        pan=settings.mpan,
        merchant_id=settings.merchant_id,
        criteria=qris.Criteria(settings.criteria),
        mcc=settings.mcc,
        name=settings.merchant_name,
        city=settings.city,
        postal_code=settings.postal_code,
    )
    return qris.encode(
        qris.dynamic(
            merchant, amount_rp=amount_rp, bill_number=bill_number, terminal_label=terminal
        )
    )
