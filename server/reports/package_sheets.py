"""What an auditor's package holds: each CSV with its columns, and the question that fills it.

`:first` and `:last` are the period's business days, `:start` and `:until` its moments; vouchers
that were good until a day before `:over` have expired at its end. The words are Bahasa Indonesia:
they go into the package's README and its `datapackage.json`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from server.ledger import postings
from server.payments import voucher_stock
from server.reconciliation import transfers


@dataclass(frozen=True)
class Sheet:
    """`columns` are name, kind and meaning; `sql` selects them in this order."""

    name: str
    title: str
    columns: Sequence[tuple[str, str, str]]
    sql: str


ID, TEXT, RP, COUNT, DAY, AT, BOOL = (
    "string", "string", "integer", "integer", "date", "datetime", "boolean",
)  # fmt: skip
MASKED = (
    "regexp_replace({}, '\\m[A-Za-z]{{1,2}}[ .-]?[0-9]{{1,4}}[ .-]?[A-Za-z]{{1,3}}\\M', '•••', 'g')"
)
"""A text of officers in which whatever looks like a plate is left out."""
RUN_OF_PERIOD = """(r.prepared_at >= :start AND r.prepared_at < :until
    OR r.decided_at >= :start AND r.decided_at < :until
    OR EXISTS (SELECT FROM payout_lines p
        WHERE p.run_id = r.id AND p.told_at >= :start AND p.told_at < :until))"""
"""Whether a row `r` of payout_runs was acted on then."""
SETTLED = """
    SELECT l.id, f.name, l.line_number, l.acquirer, l.batch_id, l.settlement_date, l.paid_at,
        l.reference, l.acquirer_reference, l.rrn, l.gross_rp, l.mdr_rp, l.vat_rp, l.withheld_rp,
        l.net_rp{more}
    FROM {table} l LEFT JOIN imported_files f ON f.id = l.file_id
    WHERE l.settlement_date BETWEEN :first AND :last ORDER BY l.settlement_date, l.id"""
OF_LINES = (
    ("id", ID, "nomor baris"),
    ("file", TEXT, "nama berkas pencairan"),
    ("line_number", COUNT, "baris ke berapa dalam berkas"),
    ("acquirer", TEXT, "acquirer"),
    ("batch_id", TEXT, "nomor pencairan (batch) menurut acquirer"),
    ("settlement_date", DAY, "tanggal pencairan"),
    ("paid_at", AT, "kapan dibayar, menurut acquirer"),
    ("reference", TEXT, "nomor tagihan kita"),
    ("acquirer_reference", TEXT, "nomor acquirer"),
    ("rrn", TEXT, "nomor jaringan (RRN)"),
    ("gross_rp", RP, "jumlah yang dibayar pengemudi; negatif untuk pengembalian"),
    ("mdr_rp", RP, "potongan acquirer (MDR)"),
    ("vat_rp", RP, "PPN atas potongan"),
    ("withheld_rp", RP, "PPh yang dipotong"),
    ("net_rp", RP, "yang dicairkan = gross - mdr - vat - withheld"),
)

SHEETS = (
    Sheet(
        "ledger_accounts",
        "Bagan akun",
        (
            ("code", TEXT, "kode akun"),
            ("name", TEXT, "nama akun"),
            ("kind", TEXT, "asset, liability, revenue, atau expense"),
        ),
        "SELECT code, name, kind FROM ledger_accounts ORDER BY code",
    ),
    Sheet(
        "opening_balances",
        "Saldo awal: semua posting sebelum hari pertama, per akun dan pihak",
        (
            ("account_code", TEXT, "kode akun"),
            ("party", TEXT, "pihak, untuk akun yang punya buku pembantu"),
            ("amount_rp", RP, "saldo; debit positif, kredit negatif"),
        ),
        """SELECT g.account_code, g.party, sum(g.amount_rp) FROM ledger_postings g
           JOIN ledger_entries e ON e.id = g.entry_id WHERE e.business_day < :first
           GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    Sheet(
        "ledger_entries",
        "Jurnal: satu baris untuk satu kejadian",
        (
            ("id", ID, "nomor jurnal"),
            ("recorded_at", AT, "kapan dicatat"),
            ("business_day", DAY, "hari usaha"),
            ("description", TEXT, "uraian"),
            ("source", TEXT, "kejadian yang dicatat; tidak ada yang dicatat dua kali"),
            ("legs", COUNT, "banyaknya posting"),
        ),
        """SELECT id, recorded_at, business_day, description, source, legs FROM ledger_entries
           WHERE business_day BETWEEN :first AND :last ORDER BY id""",
    ),
    Sheet(
        "ledger_postings",
        "Posting: debit dan kredit setiap jurnal; jumlahnya nol per jurnal",
        (
            ("entry_id", ID, "nomor jurnal"),
            ("line", COUNT, "baris ke berapa"),
            ("account_code", TEXT, "kode akun"),
            ("party", TEXT, "pihak, untuk akun yang punya buku pembantu"),
            ("amount_rp", RP, "debit positif, kredit negatif"),
        ),
        """SELECT g.entry_id, g.line, g.account_code, g.party, g.amount_rp
           FROM ledger_entries e JOIN ledger_postings g ON g.entry_id = e.id
           WHERE e.business_day BETWEEN :first AND :last ORDER BY g.entry_id, g.line""",
    ),
    Sheet(
        "charges",
        "Tagihan yang dibuat dalam masa ini (QRIS, tunai, voucher)",
        (
            ("id", ID, "nomor tagihan"),
            ("payment_id", ID, "nomor pembayaran; satu pembayaran bisa beberapa tagihan"),
            ("kind", TEXT, "jenis: mpm, cpm, cash, voucher"),
            ("acquirer", TEXT, "acquirer, atau cash / voucher"),
            ("reference", TEXT, "nomor tagihan pada acquirer"),
            ("acquirer_reference", TEXT, "nomor acquirer"),
            ("amount_rp", RP, "jumlah yang ditagih"),
            ("state", TEXT, "keadaan terakhir"),
            ("money_flag", TEXT, "uangnya tepat, terlambat, lebih, kurang, atau ganda"),
            ("created_at", AT, "kapan dibuat"),
            ("paid_at", AT, "kapan dibayar"),
            ("spot", TEXT, "kode titik parkir"),
            ("vehicle_class", TEXT, "jenis kendaraan"),
            ("plate_masked", TEXT, "nomor polisi tersamar, selama belum dimusnahkan"),
            ("receipt", TEXT, "nomor karcis"),
        ),
        """SELECT c.id, c.payment_id, c.kind, c.acquirer, c.reference, c.acquirer_reference,
               c.amount_rp, c.state, c.money_flag, c.created_at, c.paid_at, s.code,
               v.vehicle_class, v.plate_masked, r.number
           FROM charges c JOIN payments p ON p.id = c.payment_id
           LEFT JOIN parking_sessions v ON v.id = p.parking_session_id
           LEFT JOIN spots s ON s.id = v.spot_id LEFT JOIN receipts r ON r.charge_id = c.id
           WHERE c.created_at >= :start AND c.created_at < :until ORDER BY c.id""",
    ),
    Sheet(
        "money",
        "Uang yang terbukti masuk",
        (
            ("id", ID, "nomor uang"),
            ("charge_id", ID, "nomor tagihan"),
            ("acquirer", TEXT, "acquirer, atau cash / voucher"),
            ("acquirer_reference", TEXT, "nomor acquirer"),
            ("rrn", TEXT, "nomor jaringan (RRN)"),
            ("amount_rp", RP, "jumlah"),
            ("flag", TEXT, "exact: tepat; selain itu titipan sampai dikenali"),
            ("paid_at", AT, "kapan dibayar"),
            ("business_day", DAY, "hari usaha"),
            ("evidence", TEXT, "bukti: notification, inquiry, settlement, shift, voucher"),
            ("evidence_id", ID, "nomor bukti"),
            ("entry_id", ID, "nomor jurnal"),
        ),
        """SELECT id, charge_id, acquirer, acquirer_reference, rrn, amount_rp, flag, paid_at,
               business_day, CASE WHEN notification_id IS NOT NULL THEN 'notification'
                   WHEN inquiry_id IS NOT NULL THEN 'inquiry'
                   WHEN settlement_line_id IS NOT NULL THEN 'settlement'
                   WHEN shift_id IS NOT NULL THEN 'shift' ELSE 'voucher' END,
               coalesce(notification_id::text, inquiry_id::text, settlement_line_id::text,
                   shift_id::text, voucher_serial::text), entry_id
           FROM money WHERE business_day BETWEEN :first AND :last ORDER BY business_day, id""",
    ),
    Sheet(
        "refunds",
        "Pengembalian yang diminta atau diputuskan dalam masa ini",
        (
            ("id", ID, "nomor baris"),
            ("number", TEXT, "nomor pengembalian"),
            ("charge_id", ID, "nomor tagihan"),
            ("money_id", ID, "nomor uang"),
            ("amount_rp", RP, "jumlah"),
            ("reason", TEXT, "alasan"),
            ("explanation", TEXT, "penjelasan; nomor polisi di dalamnya disamarkan"),
            ("method", TEXT, "lewat acquirer atau transfer"),
            ("state", TEXT, "keadaan terakhir"),
            ("requested_by", TEXT, "pengusul"),
            ("requested_at", AT, "kapan diusulkan"),
            ("decided_by", TEXT, "pemutus"),
            ("decided_at", AT, "kapan diputuskan"),
            ("refunded_at", AT, "kapan terbukti sampai"),
            ("business_day", DAY, "hari usaha"),
            ("due_entry_id", ID, "jurnal terutangnya"),
            ("done_entry_id", ID, "jurnal selesainya"),
            ("reversal_entry_id", ID, "jurnal pembaliknya"),
        ),
        f"""SELECT r.id, r.number, r.charge_id, r.money_id, r.amount_rp, r.reason,
               {MASKED.format("r.explanation")}, r.method, r.state, m.login, r.requested_at,
               k.login, r.decided_at, r.refunded_at, r.business_day, r.due_entry_id,
               r.done_entry_id, r.reversal_entry_id
           FROM refunds r LEFT JOIN officers m ON m.id = r.requested_by
           LEFT JOIN officers k ON k.id = r.decided_by
           WHERE (r.requested_at >= :start AND r.requested_at < :until)
               OR (r.decided_at >= :start AND r.decided_at < :until)
               OR r.business_day BETWEEN :first AND :last ORDER BY r.id""",
    ),
    Sheet(
        "settlement_lines",
        "Baris berkas pencairan acquirer",
        (
            *OF_LINES,
            ("takes_back_id", ID, "nomor baris yang dibatalkan oleh baris lawan ini"),
            ("version", COUNT, "ke berapa kali dikatakan; kosong: yang pertama"),
        ),
        SETTLED.format(table="settlement_lines", more=", l.takes_back_id, l.version"),
    ),
    Sheet(
        "held_lines",
        "Baris yang ditahan acquirer",
        OF_LINES,
        SETTLED.format(table="held_lines", more=""),
    ),
    Sheet(
        "bank_movements",
        "Mutasi rekening koran; dari RKUD hanya yang dicocokkan dengan uang parkir",
        (
            ("id", ID, "nomor baris"),
            ("file", TEXT, "nama berkas"),
            ("line_number", COUNT, "baris ke berapa dalam berkas"),
            ("account", TEXT, "nomor rekening"),
            ("account_code", TEXT, "kode akun rekening itu; membedakan RKUD dari penampungan"),
            ("statement_reference", TEXT, "nomor rekening koran"),
            ("value_date", DAY, "tanggal nilai"),
            ("amount_rp", RP, "kredit positif, debit negatif"),
            ("narrative", TEXT, "berita dari bank"),
            ("cleared_as", TEXT, "dicocokkan dengan apa; kosong: belum"),
        ),
        # Other movements of the regency's account are none of parking's, and name its payers.
        f"""SELECT s.id, f.name, s.line_number, s.account,
               coalesce(s.ledger_account, '{postings.BANK}'), s.statement_reference, s.value_date,
               s.amount_rp, s.narrative, coalesce(c.name, k.pays)
           FROM statement_lines s LEFT JOIN imported_files f ON f.id = s.file_id
           LEFT JOIN cleared_movements c ON c.statement_line_id = s.id
           LEFT JOIN cases k ON k.statement_line_id = s.id AND k.posted_as = 'matched'
           WHERE s.value_date BETWEEN :first AND :last
               AND (s.ledger_account IS NULL OR c.name IS NOT NULL)
           ORDER BY s.value_date, s.id""",
    ),
    Sheet(
        "statement_balances",
        "Saldo awal dan akhir tiap rekening koran penampungan",
        (
            ("id", ID, "nomor baris"),
            ("file", TEXT, "nama berkas"),
            ("account", TEXT, "nomor rekening"),
            ("opened_on", DAY, "tanggal saldo awal"),
            ("opening_rp", RP, "saldo awal"),
            ("closed_on", DAY, "tanggal saldo akhir"),
            ("closing_rp", RP, "saldo akhir"),
        ),
        """SELECT b.id, f.name, b.account, b.opened_on, b.opening_rp, b.closed_on, b.closing_rp
           FROM statement_balances b JOIN imported_files f ON f.id = b.file_id
           WHERE b.opened_on <= :last AND b.closed_on >= :first ORDER BY b.opened_on, b.id""",
    ),
    Sheet(
        "cases",
        "Kasus tentang uang yang terbuka atau dibuka dalam masa ini",
        (
            ("id", ID, "nomor kasus"),
            ("kind", TEXT, "jenis"),
            ("amount_rp", RP, "jumlah"),
            ("owner", TEXT, "penanggung jawab"),
            ("opened_at", AT, "kapan dibuka"),
            ("state", TEXT, "keadaan terakhir"),
            ("outcome", TEXT, "hasil"),
            ("reason", TEXT, "alasan; nomor polisi di dalamnya disamarkan"),
            ("proposed_by", TEXT, "pengusul"),
            ("decided_by", TEXT, "pemutus"),
            ("closed_at", AT, "kapan ditutup"),
            ("money_id", ID, "nomor uang"),
            ("charge_id", ID, "nomor tagihan"),
            ("refund_id", ID, "nomor pengembalian"),
            ("settlement_line_id", ID, "baris pencairan"),
            ("statement_line_id", ID, "mutasi bank"),
            ("entry_id", ID, "nomor jurnal"),
        ),
        f"""SELECT c.id, c.kind, c.amount_rp, c.owner, c.opened_at, c.state, c.outcome,
               {MASKED.format("c.reason")}, m.login, k.login, c.closed_at, c.money_id, c.charge_id,
               c.refund_id, c.settlement_line_id, c.statement_line_id, c.entry_id
           FROM cases c LEFT JOIN officers m ON m.id = c.proposed_by
           LEFT JOIN officers k ON k.id = c.decided_by
           WHERE c.opened_at < :until AND (c.closed_at IS NULL OR c.closed_at >= :start)
           ORDER BY c.id""",
    ),
    Sheet(
        "discrepancies",
        "Selisih pencocokan yang terbuka atau dibuka dalam masa ini",
        (
            ("id", ID, "nomor selisih"),
            ("kind", TEXT, "jenis"),
            ("subject", TEXT, "tentang apa"),
            ("business_day", DAY, "hari usaha"),
            ("difference_rp", RP, "selisih"),
            ("owner", TEXT, "penanggung jawab"),
            ("opened_at", AT, "kapan ditemukan"),
            ("state", TEXT, "keadaan terakhir"),
            ("outcome", TEXT, "hasil"),
            ("entry_id", ID, "nomor jurnal"),
        ),
        """SELECT id, kind, subject, business_day, difference_rp, owner, opened_at, state, outcome,
               entry_id FROM discrepancies d
           WHERE opened_at < :until AND (state <> 'closed' OR opened_at >= :start OR EXISTS (
               SELECT FROM case_steps s WHERE s.kind = 'discrepancy' AND s.case_id = d.id
                   AND s.at >= :start)) ORDER BY id""",
    ),
    Sheet(
        "case_history",
        "Riwayat kasus dan selisih: setiap langkah, keterangan, dan penugasan dalam masa ini",
        (
            ("at", AT, "kapan"),
            ("kind", TEXT, "jenis kasus"),
            ("case_id", ID, "nomor kasus atau selisih"),
            ("act", TEXT, "apa: langkah, comment, atau assigned"),
            ("state_before", TEXT, "keadaan sebelumnya"),
            ("state_after", TEXT, "keadaan sesudahnya"),
            ("who", TEXT, "siapa"),
            ("outcome", TEXT, "hasil"),
            ("words", TEXT, "keterangan; nomor polisi di dalamnya disamarkan"),
        ),
        f"""SELECT at, kind, case_id, act, state_before, state_after, who, outcome,
               {MASKED.format("words")} FROM (
               SELECT s.at, s.kind, s.case_id, s.event AS act, s.state_before, s.state_after,
                   o.login AS who, s.outcome, s.why AS words
               FROM case_steps s LEFT JOIN officers o ON o.id = s.officer_id
               UNION ALL
               SELECT c.changed_at, 'suspense', c.case_id, 'changed', c.state_before,
                   c.state_after, c.who, NULL, c.why FROM case_changes c
               UNION ALL
               SELECT c.written_at, c.kind, c.case_id, 'comment', NULL, NULL, o.login, NULL,
                   c.words FROM case_comments c LEFT JOIN officers o ON o.id = c.written_by
               UNION ALL
               SELECT a.assigned_at, a.kind, a.case_id, 'assigned', NULL, NULL, b.login,
                   o.login, NULL FROM case_assignments a
               LEFT JOIN officers b ON b.id = a.assigned_by
               LEFT JOIN officers o ON o.id = a.officer_id
           ) h WHERE at >= :start AND at < :until ORDER BY at, kind, case_id""",
    ),
    Sheet(
        "fee_claims",
        "Klaim potongan (MDR) kepada acquirer yang terbuka atau dibuka dalam masa ini",
        (
            ("id", ID, "nomor klaim; langkahnya, dengan siapa, ada di case_history"),
            ("discrepancy_id", ID, "selisih yang diklaim"),
            ("amount_rp", RP, "jumlah"),
            ("owner", TEXT, "penanggung jawab"),
            ("opened_at", AT, "kapan dibuka"),
            ("state", TEXT, "keadaan terakhir"),
            ("outcome", TEXT, "hasil: paid, refused, atau withdrawn"),
            ("entry_id", ID, "jurnal klaimnya"),
            ("ended_entry_id", ID, "jurnal akhirnya"),
            ("case_id", ID, "titipan yang membayarnya"),
            ("settlement_line_id", ID, "baris pencairan yang membayarnya"),
        ),
        """SELECT id, discrepancy_id, amount_rp, owner, opened_at, state, outcome, entry_id,
               ended_entry_id, case_id, settlement_line_id FROM fee_claims f
           WHERE opened_at < :until AND (state <> 'closed' OR opened_at >= :start OR EXISTS (
               SELECT FROM case_steps s WHERE s.kind = 'claim' AND s.case_id = f.id
                   AND s.at >= :start)) ORDER BY id""",
    ),
    Sheet(
        "transfer_cases",
        "Transfer kantor yang tidak sampai atau berbeda, terbuka atau dibuka dalam masa ini",
        (
            ("id", ID, "nomor kasus; langkahnya, dengan siapa, ada di case_history"),
            (
                "detail",
                TEXT,
                "payout-failed, payout-not-seen, payout-differs, payout-unanswered,"
                " refund-not-seen, sts-not-seen, sts-unconfirmed, sts-differs, rkud-not-awaited",
            ),
            ("payout_line_id", ID, "baris pembayaran bagi hasil"),
            ("payout", TEXT, "nomor pembayaran bagi hasil yang seluruhnya dimaksud"),
            ("refund", TEXT, "nomor pengembalian lewat transfer"),
            ("remittance", TEXT, "nomor STS"),
            ("statement_line_id", ID, "mutasi RKUD yang tidak ditunggu"),
            ("amount_rp", RP, "yang tidak sampai; untuk sts-differs kurang (negatif) atau lebih"),
            ("owner", TEXT, "penanggung jawab"),
            ("opened_at", AT, "kapan dibuka"),
            ("mended", BOOL, "pembukuan melihat uangnya sampai"),
            ("closed_by", TEXT, "petugas yang menutup"),
            ("closed_at", AT, "kapan ditutup petugas"),
            ("what_was_done", TEXT, "apa yang dilakukan; nomor polisi di dalamnya disamarkan"),
        ),
        f"""SELECT t.id, t.detail, t.payout_line_id, p.number, f.number, r.number,
               t.statement_line_id, t.amount_rp, t.owner, t.opened_at, {transfers.MENDED},
               o.login, t.closed_at, {MASKED.format("t.what_was_done")}
           FROM transfer_cases t LEFT JOIN remittances r ON r.id = t.remittance_id
           LEFT JOIN payout_runs p ON p.id = t.payout_run_id
           LEFT JOIN refunds f ON f.id = t.refund_id
           LEFT JOIN officers o ON o.id = t.closed_by
           WHERE t.opened_at < :until AND (t.opened_at >= :start OR t.closed_at >= :start
               OR (t.closed_at IS NULL AND NOT {transfers.MENDED})) ORDER BY t.id""",
    ),
    Sheet(
        "tariffs",
        "Tarif yang berlaku dalam masa ini",
        (
            ("id", ID, "nomor tarif"),
            ("zone", TEXT, "kode zona"),
            ("regulation", TEXT, "dasar hukum"),
            ("valid_from", DAY, "berlaku mulai"),
            ("valid_until", DAY, "berlaku sampai; kosong: masih berlaku"),
            ("version", TEXT, "isi tarif (JSON)"),
            ("taken_back_by", ID, "usulan yang menariknya kembali; kosong: tidak ditarik"),
        ),
        """SELECT t.id, z.code, t.regulation, t.valid_from, t.valid_until, t.version::text,
               t.taken_back_by
           FROM tariffs t JOIN zones z ON z.id = t.zone_id
           WHERE t.valid_from <= :last AND (t.valid_until IS NULL OR t.valid_until >= :first)
           ORDER BY z.code, t.valid_from""",
    ),
    Sheet(
        "rule_proposals",
        "Usulan aturan (bagi hasil, MDR, jadwal bayar, pencocokan, target, tarif ditarik)",
        (
            ("id", ID, "nomor usulan"),
            ("kind", TEXT, "jenis aturan"),
            ("body", TEXT, "isi aturan (JSON)"),
            ("reason", TEXT, "alasan pengusul"),
            ("state", TEXT, "keadaan terakhir"),
            ("proposed_by", TEXT, "pengusul"),
            ("proposed_at", AT, "kapan diusulkan"),
            ("decided_by", TEXT, "pemutus; pengusul sendiri bila ditarik"),
            ("decided_at", AT, "kapan diputuskan"),
            ("why", TEXT, "alasan pemutus"),
        ),
        f"""SELECT p.id, p.kind, p.body::text, {MASKED.format("p.reason")}, p.state, m.login,
               p.proposed_at, k.login, p.decided_at, {MASKED.format("p.why")}
           FROM rule_proposals p LEFT JOIN officers m ON m.id = p.proposed_by
           LEFT JOIN officers k ON k.id = p.decided_by
           WHERE p.proposed_at < :until AND (p.decided_at IS NULL OR p.decided_at >= :start)
           ORDER BY p.id""",
    ),
    Sheet(
        "acquirer_choices",
        "Pilihan acquirer penerbit tagihan, semua yang diminta sampai akhir masa ini",
        (
            ("id", ID, "nomor pilihan"),
            ("zone", TEXT, "kode zona; kosong: semua zona"),
            ("acquirer", TEXT, "acquirer"),
            ("at_once", BOOL, "beralih seketika, sebelum diputuskan"),
            ("starts_at", AT, "berlaku mulai, paling awal saat diputuskan kecuali at_once"),
            ("reason", TEXT, "alasan peminta"),
            ("state", TEXT, "keadaan terakhir"),
            ("asked_by", TEXT, "peminta"),
            ("asked_at", AT, "kapan diminta"),
            ("decided_by", TEXT, "pemutus; peminta sendiri bila ditarik"),
            ("decided_at", AT, "kapan diputuskan"),
            ("why", TEXT, "alasan pemutus"),
        ),
        f"""SELECT c.id, z.code, c.acquirer, c.at_once, c.starts_at, {MASKED.format("c.reason")},
               c.state, m.login, c.asked_at, k.login, c.decided_at, {MASKED.format("c.why")}
           FROM acquirer_choices c LEFT JOIN zones z ON z.id = c.zone_id
           LEFT JOIN officers m ON m.id = c.asked_by LEFT JOIN officers k ON k.id = c.decided_by
           WHERE c.asked_at < :until ORDER BY c.id""",
    ),
    Sheet(
        "settlement_corrections",
        "Berkas pencairan yang diusulkan sebagai koreksi sampai akhir masa ini",
        (
            ("id", ID, "nomor koreksi"),
            ("file", TEXT, "nama berkas pengganti"),
            ("sha256", TEXT, "SHA-256 berkas itu"),
            ("acquirer", TEXT, "acquirer"),
            ("lines", TEXT, "baris yang dikoreksi, sebelum dan sesudahnya (JSON)"),
            ("reason", TEXT, "alasan pengusul"),
            ("state", TEXT, "keadaan terakhir"),
            ("asked_by", TEXT, "pengusul"),
            ("asked_at", AT, "kapan diusulkan"),
            ("decided_by", TEXT, "pemutus; pengusul sendiri bila ditarik"),
            ("decided_at", AT, "kapan diputuskan"),
            ("why", TEXT, "alasan pemutus"),
        ),
        f"""SELECT c.id, c.name, encode(c.sha256, 'hex'), c.acquirer, c.lines::text,
               {MASKED.format("c.reason")}, c.state, m.login, c.asked_at, k.login, c.decided_at,
               {MASKED.format("c.why")}
           FROM settlement_corrections c LEFT JOIN officers m ON m.id = c.asked_by
           LEFT JOIN officers k ON k.id = c.decided_by
           WHERE c.asked_at < :until ORDER BY c.id""",
    ),
    Sheet(
        "closures",
        "Penutupan zona dan titik yang berlaku, dibuat, atau diakhiri dalam masa ini",
        (
            ("id", ID, "nomor penutupan"),
            ("zone", TEXT, "kode zona"),
            ("spot", TEXT, "kode titik parkir; kosong: seluruh zona"),
            ("starts_at", AT, "ditutup mulai"),
            ("ends_at", AT, "ditutup sampai menurut penutupannya; kosong: sampai diakhiri"),
            ("reason", TEXT, "sebab"),
            ("note", TEXT, "catatan; nomor polisi di dalamnya disamarkan"),
            ("closed_by", TEXT, "petugas yang menutup"),
            ("closed_at", AT, "kapan dicatat"),
            ("ended_by", TEXT, "petugas yang mengakhiri lebih awal"),
            ("ended_at", AT, "kapan diakhiri lebih awal"),
            ("why", TEXT, "alasan mengakhiri"),
        ),
        f"""SELECT c.id, z.code, s.code, c.starts_at, c.ends_at, c.reason,
               {MASKED.format("c.note")}, m.login, c.closed_at, k.login, e.ended_at,
               {MASKED.format("e.why")}
           FROM closures c JOIN zones z ON z.id = c.zone_id LEFT JOIN spots s ON s.id = c.spot_id
           LEFT JOIN closure_ends e ON e.closure_id = c.id
           LEFT JOIN officers m ON m.id = c.closed_by LEFT JOIN officers k ON k.id = e.ended_by
           WHERE c.closed_at < :until AND (c.closed_at >= :start OR e.ended_at >= :start
               OR least(c.ends_at, e.ended_at) IS NULL OR least(c.ends_at, e.ended_at) >= :start)
           ORDER BY c.id""",
    ),
    Sheet(
        "spot_files",
        "Berkas titik parkir dan kode terpasang yang dimasukkan dalam masa ini",
        (
            ("id", ID, "nomor catatan"),
            ("kind", TEXT, "spots: titik dan zonanya; codes: QRIS statis yang terpasang"),
            ("name", TEXT, "nama berkas"),
            ("sha256", TEXT, "SHA-256 berkas itu"),
            ("rows", COUNT, "banyaknya titik atau kode dalam berkas"),
            ("added", COUNT, "yang baru"),
            ("changed", COUNT, "yang diubah"),
            ("gone", COUNT, "yang tidak berlaku lagi"),
            ("who", TEXT, "yang memasukkan; cli: lewat baris perintah"),
            ("taken_at", AT, "kapan dimasukkan"),
        ),
        """SELECT f.id, f.kind, f.name, encode(f.sha256, 'hex'), f.rows, f.added, f.changed,
               f.gone, f.who, f.taken_at
           FROM spot_files f WHERE f.taken_at >= :start AND f.taken_at < :until ORDER BY f.id""",
    ),
    Sheet(
        "day_closes",
        "Penutupan hari usaha dengan potret angkanya",
        (
            ("day", DAY, "hari usaha"),
            ("number", COUNT, "penutupan ke berapa"),
            ("state", TEXT, "keadaan terakhir"),
            ("prepared_by", TEXT, "penyiap"),
            ("prepared_at", AT, "kapan disiapkan"),
            ("decided_by", TEXT, "pengunci"),
            ("decided_at", AT, "kapan diputuskan"),
            ("note", TEXT, "catatan"),
            ("sha256", TEXT, "SHA-256 potret seperti ditandatangani"),
            ("snapshot", TEXT, "potret angka (JSON)"),
        ),
        """SELECT c.day, c.number, c.state, m.login, c.prepared_at, k.login, c.decided_at, c.note,
               encode(c.sha256, 'hex'), c.snapshot::text
           FROM day_closes c LEFT JOIN officers m ON m.id = c.prepared_by
           LEFT JOIN officers k ON k.id = c.decided_by
           WHERE c.day BETWEEN :first AND :last ORDER BY c.day, c.number""",
    ),
    Sheet(
        "remittances",
        "STS: setoran ke kas daerah, dan hari yang disetor",
        (
            ("number", TEXT, "nomor STS"),
            ("day", DAY, "hari usaha yang disetor"),
            ("day_amount_rp", RP, "jumlah hari itu"),
            ("amount_rp", RP, "jumlah seluruh STS"),
            ("state", TEXT, "keadaan terakhir"),
            ("prepared_by", TEXT, "penyiap"),
            ("prepared_at", AT, "kapan disiapkan"),
            ("decided_by", TEXT, "pemutus"),
            ("decided_at", AT, "kapan diputuskan"),
            ("entry_id", ID, "nomor jurnal"),
            ("statement_line_id", ID, "mutasi bank"),
            ("direct", BOOL, "acquirer membayar langsung ke RKUD; STS ini tanpa jurnal"),
            ("confirmed_on", DAY, "tanggal seluruh jumlahnya ada di RKUD; kosong: belum"),
        ),
        """SELECT r.number, d.day, d.amount_rp, r.amount_rp, r.state, m.login, r.prepared_at,
               k.login, r.decided_at, r.entry_id, r.statement_line_id, r.direct, r.confirmed_on
           FROM remittances r LEFT JOIN remitted_days d ON d.remittance_id = r.id
           LEFT JOIN officers m ON m.id = r.prepared_by LEFT JOIN officers k ON k.id = r.decided_by
           WHERE d.day BETWEEN :first AND :last
               OR (r.prepared_at >= :start AND r.prepared_at < :until) ORDER BY r.number, d.day""",
    ),
    Sheet(
        "cash_deposits",
        "TBP: setoran tunai juru parkir dan penjual voucher",
        (
            ("id", ID, "nomor baris"),
            ("series", TEXT, "seri TBP"),
            ("sequence", COUNT, "nomor urut TBP"),
            ("attendant", TEXT, "kode juru parkir"),
            ("payer", TEXT, "penyetor lain"),
            ("amount_rp", RP, "jumlah"),
            ("reference", TEXT, "nomor slip bank"),
            ("deposited_on", DAY, "tanggal setor"),
            ("received_by", TEXT, "penerima"),
            ("recorded_at", AT, "kapan dicatat"),
            ("entry_id", ID, "nomor jurnal"),
        ),
        """SELECT d.id, d.series, d.sequence, a.code, d.payer, d.amount_rp, d.reference,
               d.deposited_on, o.login, d.recorded_at, d.entry_id
           FROM cash_deposits d LEFT JOIN attendants a ON a.id = d.attendant_id
           LEFT JOIN officers o ON o.id = d.received_by
           WHERE d.deposited_on BETWEEN :first AND :last
               OR (d.recorded_at >= :start AND d.recorded_at < :until) ORDER BY d.id""",
    ),
    Sheet(
        "voucher_batches",
        "Batch voucher sampai akhir masa ini; jumlah owed_rp = saldo kredit akun 2140",
        (
            ("batch", COUNT, "nomor batch"),
            ("seller", TEXT, "penjual, pihak pada akun 1170"),
            ("count", COUNT, "berapa voucher"),
            ("value_rp", RP, "nilai satu voucher"),
            ("vehicle_class", TEXT, "untuk jenis kendaraan; kosong: semua"),
            ("valid_until", DAY, "hari terakhir"),
            ("issued_at", AT, "kapan diterbitkan"),
            ("issued_by", TEXT, "pengusul dan pemutus"),
            ("entry_id", ID, "jurnal penerbitannya"),
            ("before", COUNT, "beredar sebelum hari pertama"),
            ("redeemed", COUNT, "dipakai dalam masa ini"),
            ("voided", COUNT, "dibatalkan dalam masa ini"),
            ("left", COUNT, "beredar pada hari terakhir"),
            ("owed_rp", RP, "nilai yang beredar itu, dalam akun 2140"),
            ("expired_rp", RP, "di antaranya habis masa berlakunya; tetap dalam akun 2140"),
        ),
        """WITH ends AS (
               SELECT batch, count(*) AS all_,
                   count(charge_id) FILTER (WHERE ended_at >= :start) AS redeemed,
                   count(why) FILTER (WHERE ended_at >= :start) AS voided
               FROM voucher_ends WHERE ended_at < :until GROUP BY batch
           ), batches AS (
               SELECT b.*, coalesce(e.redeemed, 0) AS redeemed, coalesce(e.voided, 0) AS voided,
                   b.count - coalesce(e.all_, 0) AS left_
               FROM voucher_batches b LEFT JOIN ends e ON e.batch = b.number
               WHERE b.issued_at < :until
           )
           SELECT number, seller, count, value_rp, vehicle_class, valid_until, issued_at, issued_by,
               entry_id, CASE WHEN issued_at < :start THEN left_ + redeemed + voided ELSE 0 END,
               redeemed, voided, left_, left_ * value_rp,
               CASE WHEN valid_until < :over THEN left_ * value_rp ELSE 0 END
           FROM batches ORDER BY number""",
    ),
    Sheet(
        "voucher_sellers",
        "Utang penjual voucher: akun 1170 menurut penjual",
        (
            ("seller", TEXT, "penjual"),
            ("before_rp", RP, "terutang sebelum hari pertama"),
            ("given_rp", RP, "nilai voucher yang diserahkan dalam masa ini"),
            ("voided_rp", RP, "nilai voucher yang dibatalkan"),
            ("paid_rp", RP, "yang disetor penjual"),
            ("owed_rp", RP, "terutang pada hari terakhir = before + given - voided - paid"),
        ),
        f"""SELECT *, before_rp + given_rp - voided_rp - paid_rp FROM (
               {voucher_stock.ACCOUNTS.replace("$1", ":first").replace("$2", ":last")}
           ) t (seller, before_rp, given_rp, voided_rp, paid_rp) ORDER BY seller""",
    ),
    Sheet(
        "voucher_proposals",
        "Usulan penerbitan dan pembatalan voucher, dengan siapa",
        (
            ("id", ID, "nomor usulan"),
            ("act", TEXT, "issue: penerbitan; void: pembatalan"),
            ("batch", COUNT, "nomor batch; kosong: penerbitan yang tidak disetujui"),
            ("seller", TEXT, "penjual, dari penerbitan"),
            ("count", COUNT, "berapa voucher, dari penerbitan"),
            ("value_rp", RP, "nilai satu voucher, dari penerbitan"),
            ("first_number", COUNT, "voucher pertama, dari pembatalan"),
            ("last_number", COUNT, "voucher terakhir, dari pembatalan"),
            ("reason", TEXT, "alasan pengusul"),
            ("state", TEXT, "keadaan terakhir"),
            ("proposed_by", TEXT, "pengusul"),
            ("proposed_at", AT, "kapan diusulkan"),
            ("decided_by", TEXT, "pemutus; pengusul sendiri bila ditarik"),
            ("decided_at", AT, "kapan diputuskan"),
            ("why", TEXT, "alasan pemutus"),
        ),
        f"""SELECT p.id, p.act, p.batch, p.seller, p.count, p.value_rp, p.first_number,
               p.last_number, {MASKED.format("p.reason")}, p.state, m.login, p.proposed_at,
               k.login, p.decided_at, {MASKED.format("p.why")}
           FROM voucher_proposals p LEFT JOIN officers m ON m.id = p.proposed_by
           LEFT JOIN officers k ON k.id = p.decided_by
           WHERE p.proposed_at < :until AND (p.decided_at IS NULL OR p.decided_at >= :start)
           ORDER BY p.id""",
    ),
    Sheet(
        "voucher_ends",
        "Voucher yang dipakai atau dibatalkan dalam masa ini",
        (
            ("serial", TEXT, "nomor voucher"),
            ("batch", COUNT, "nomor batch"),
            ("value_rp", RP, "nilainya, yang berkurang dari akun 2140"),
            ("ended_at", AT, "kapan"),
            ("charge_id", ID, "tagihan yang dibayarnya; kosong: dibatalkan"),
            ("entry_id", ID, "jurnal pemakaiannya; pembatalan: source vouchers-voided:…"),
            ("proposal_id", ID, "usulan pembatalannya, di voucher_proposals"),
            ("why", TEXT, "alasan pembatalan"),
        ),
        f"""SELECT e.serial, e.batch, b.value_rp, e.ended_at, e.charge_id, m.entry_id, p.id,
               {MASKED.format("e.why")}
           FROM voucher_ends e JOIN voucher_batches b ON b.number = e.batch
           LEFT JOIN money m ON m.voucher_serial = e.serial
           LEFT JOIN voucher_proposals p ON e.charge_id IS NULL AND p.batch = e.batch
               AND p.act = 'void' AND p.state = 'approved' AND p.decided_at = e.ended_at
               AND split_part(e.serial, '-', 3)::int BETWEEN p.first_number AND p.last_number
           WHERE e.ended_at >= :start AND e.ended_at < :until ORDER BY e.batch, e.serial""",
    ),
    Sheet(
        "payout_runs",
        "Pembayaran bagi hasil yang disiapkan, diputuskan, atau dibayar dalam masa ini",
        (
            ("id", ID, "nomor baris"),
            ("number", TEXT, "nomor pembayaran"),
            ("until", DAY, "bagi hasil sampai dengan hari usaha"),
            ("amount_rp", RP, "jumlah"),
            ("state", TEXT, "keadaan terakhir"),
            ("prepared_by", TEXT, "penyiap"),
            ("prepared_at", AT, "kapan disiapkan"),
            ("decided_by", TEXT, "pemutus"),
            ("decided_at", AT, "kapan diputuskan"),
            ("why", TEXT, "catatan pemutus"),
            ("statement_line_id", ID, "mutasi bank"),
        ),
        f"""SELECT r.id, r.number, r.until, r.amount_rp, r.state, m.login, r.prepared_at, k.login,
               r.decided_at, {MASKED.format("r.why")}, r.statement_line_id
           FROM payout_runs r LEFT JOIN officers m ON m.id = r.prepared_by
           LEFT JOIN officers k ON k.id = r.decided_by
           WHERE {RUN_OF_PERIOD} ORDER BY r.id""",
    ),
    Sheet(
        "payout_lines",
        "Baris pembayaran bagi hasil itu: siapa dibayar, ke mana, dan apa kata bank",
        (
            ("id", ID, "nomor baris"),
            ("run", TEXT, "nomor pembayaran"),
            ("position", COUNT, "baris ke berapa"),
            ("account_code", TEXT, "kode akun utangnya"),
            ("party", TEXT, "pihak, seperti di ledger_postings; zone:KODE kas bersama satu zona"),
            ("bank", TEXT, "bank penerima"),
            ("account_masked", TEXT, "nomor rekening tersamar"),
            ("holder", TEXT, "nama pemilik rekening"),
            ("amount_rp", RP, "jumlah"),
            ("state", TEXT, "keadaan terakhir: waiting, paid, failed, atau dropped"),
            ("evidence", TEXT, "nomor atau kata bank"),
            ("told_by", TEXT, "petugas yang mencatat kata bank"),
            ("file", TEXT, "berkas bank yang mengatakannya"),
            ("told_at", AT, "kapan dicatat"),
            ("entry_id", ID, "nomor jurnal"),
        ),
        f"""SELECT l.id, r.number, l.position, l.account_code, l.party, a.bank,
               '...' || a.ending, a.holder, l.amount_rp, l.state, l.evidence, o.login, f.name,
               l.told_at, l.entry_id
           FROM payout_lines l JOIN payout_runs r ON r.id = l.run_id
           JOIN payee_accounts a ON a.id = l.payee_account_id
           LEFT JOIN officers o ON o.id = l.told_by
           LEFT JOIN imported_files f ON f.id = l.result_file_id
           WHERE {RUN_OF_PERIOD} ORDER BY r.id, l.position""",
    ),
)
