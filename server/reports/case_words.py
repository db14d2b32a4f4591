"""What differences and cases are called, on the office's pages and on the paper of a closed day."""

from collections.abc import Mapping

from server.reports.table import Said

DIFFERENCES: Mapping[str, Said] = {
    "not-settled": Said("belum dicairkan", "not settled yet"),
    "file-missing": Said("berkas pencairan belum datang", "no settlement file came"),
    "statement-gap": Said("rekening koran tidak bersambung", "a bank statement is missing"),
    "not-booked": Said("tidak ada di buku", "not in our books"),
    "several-fit": Said("cocok dengan lebih dari satu", "fits more than one"),
    "amount-differs": Said("jumlah berbeda", "amount differs"),
    "payout-missing": Said("belum masuk bank", "not on the bank account yet"),
    "payout-differs": Said("jumlah masuk bank berbeda", "bank amount differs"),
    "unknown-movement": Said("mutasi tidak dikenal", "unknown movement"),
    "mdr-differs": Said("MDR tidak sesuai ketentuan", "MDR not as the rule says"),
    "outcome-unknown": Said("hasilnya belum pasti (kode 68)", "outcome not known (code 68)"),
}
CASES: Mapping[str, Said] = {
    "late": Said("terlambat", "late"),
    "over": Said("lebih", "over"),
    "under": Said("kurang", "under"),
    "duplicate": Said("ganda", "duplicate"),
    "returned": Said("sudah dikembalikan acquirer", "given back by the acquirer already"),
    "not-booked": Said("pencairan tidak ada di buku", "settlement not in our books"),
    "unknown-movement": Said("mutasi bank tidak dikenal", "unknown bank movement"),
    "given-twice": Said("dikembalikan dua kali", "given back twice"),
    "refund-refused": Said("pengembalian gagal", "refund failed"),
    "refund-unknown": Said("pengembalian belum pasti", "refund not certain"),
    "refund-differs": Said(
        "acquirer mengembalikan jumlah lain", "the acquirer gave back another amount"
    ),
    "voucher-refused": Said(
        "voucher diterima luring, lalu ditolak", "voucher taken offline, then refused"
    ),
    "never-claimed": Said(
        "barcode cadangan dibayar, tanpa catatan perangkat",
        "a barcode issued ahead that was paid and never claimed",
    ),
    "proof-taken-twice": Said("bukti bayar dipakai dua kali", "a proof of payment taken twice"),
    "refund-wished": Said("pengemudi minta uang kembali", "a driver wants money back"),
    "paid-while-closed": Said("dibayar saat titiknya ditutup", "paid while its spot was closed"),
}
