"""What an officer does next about each kind of difference, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.reconciliation.matching import DifferenceKind


@dataclass(frozen=True)
class Action:
    english: str
    indonesian: str


ACTIONS: Mapping[DifferenceKind, Action] = {
    DifferenceKind.NOT_SETTLED: Action(
        "It should have been settled by now: ask the acquirer for this reference.",
        "Seharusnya sudah dicairkan: tanyakan referensi ini ke acquirer.",
    ),
    DifferenceKind.FILE_MISSING: Action(
        "Take in this acquirer's settlement file of the day; if none came, ask the acquirer "
        "for it.",
        "Masukkan berkas pencairan acquirer ini untuk hari itu; bila belum ada, minta ke acquirer.",
    ),
    DifferenceKind.STATEMENT_GAP: Action(
        "Ask the bank for the statement between the two and take it in; the difference is then "
        "closed by itself. Where the bank says that none is missing, two officers explain it.",
        "Minta ke bank rekening koran di antara keduanya lalu masukkan; selisih ini selesai "
        "sendiri. Bila menurut bank tidak ada yang kurang, dua petugas menjelaskannya.",
    ),
    DifferenceKind.NOT_BOOKED: Action(
        "Look for the payment by its RRN; two officers recognise it, or the acquirer "
        "takes it back.",
        "Cari pembayarannya dengan RRN; diakui oleh dua petugas, atau diminta kembali "
        "oleh acquirer.",
    ),
    DifferenceKind.SEVERAL_FIT: Action(
        "Ask the acquirer for its own reference of this line, or ours: its RRN, amount and day fit "
        "several. Two officers then decide its case.",
        "Minta ke acquirer nomor rujukannya atau nomor kita untuk baris ini: RRN, jumlah, dan "
        "harinya cocok dengan lebih dari satu. Lalu dua petugas memutuskan kasusnya.",
    ),
    DifferenceKind.AMOUNT_DIFFERS: Action(
        "Send the acquirer both amounts with the reference, ask for a corrected file, and have it "
        "agreed to by two officers.",
        "Kirim kedua jumlah dengan referensinya ke acquirer, minta berkas pengganti, lalu ajukan "
        "untuk disetujui dua petugas.",
    ),
    DifferenceKind.PAYOUT_MISSING: Action(
        "Take in the bank's next statement; if the batch is not in it, ask the acquirer "
        "when it was paid.",
        "Masukkan rekening koran berikutnya; bila batch tidak ada, tanyakan ke acquirer "
        "kapan dibayar.",
    ),
    DifferenceKind.PAYOUT_DIFFERS: Action(
        "Look for a second credit or one taken back; else ask the acquirer for the "
        "batch's breakdown.",
        "Cari kredit kedua atau yang ditarik kembali; bila tidak ada, minta rincian "
        "batch ke acquirer.",
    ),
    DifferenceKind.UNKNOWN_MOVEMENT: Action(
        "Ask the bank who sent it; take in the settlement file or record the deposit it "
        "belongs to.",
        "Tanyakan pengirimnya ke bank; masukkan berkas pencairan atau catat setoran yang dimaksud.",
    ),
    DifferenceKind.MDR_DIFFERS: Action(
        "Compare the rate in force with the contract; claim the difference, or add the new rate.",
        "Bandingkan tarif MDR yang berlaku dengan kontrak; tagih selisihnya, atau catat "
        "tarif baru.",
    ),
    DifferenceKind.OUTCOME_UNKNOWN: Action(
        "Ask the acquirer what became of this payment (response code 68); keep the "
        "receipt valid meanwhile.",
        "Tanyakan ke acquirer nasib pembayaran ini (kode respons 68); karcisnya tetap "
        "berlaku sementara.",
    ),
}
