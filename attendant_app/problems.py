"""Every way the handheld refuses its page, in words an attendant can act on.

The page shows the title, never a status code or a stack trace. `slug` is stable, for programs.
"""

from typing import Any, ClassVar


class Problem(Exception):
    """A refusal a person can act on. Subclasses set slug, status and both titles."""

    slug: ClassVar[str]
    status: ClassVar[int]
    title_id: ClassVar[str]
    title_en: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title_en)
        self.detail = detail

    def body(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "status": self.status,
            "title_id": self.title_id,
            "title_en": self.title_en,
            "detail": self.detail,
        }


class InvalidRequest(Problem):
    slug = "invalid-request"
    status = 422
    title_id = "Isian tidak lengkap atau tidak sah"
    title_en = "Something is missing or not valid"


class NotFound(Problem):
    slug = "not-found"
    status = 404
    title_id = "Tidak ditemukan"
    title_en = "Not found"


class MethodNotAllowed(Problem):
    slug = "method-not-allowed"
    status = 405
    title_id = "Cara ini tidak dilayani"
    title_en = "This method is not served"


class ForeignRequest(Problem):
    slug = "foreign-request"
    status = 403
    title_id = "Permintaan ini tidak datang dari layar perangkat"
    title_en = "This request does not come from the handheld's own screen"


class TooLarge(Problem):
    slug = "too-large"
    status = 413
    title_id = "Kiriman terlalu besar"
    title_en = "The upload is too large"


class NotEnrolled(Problem):
    slug = "not-enrolled"
    status = 409
    title_id = "Perangkat ini belum terdaftar"
    title_en = "This device is not enrolled yet"


class NotSignedIn(Problem):
    slug = "not-signed-in"
    status = 401
    title_id = "Silakan masuk terlebih dahulu"
    title_en = "Please sign in first"


class AlreadySignedIn(Problem):
    slug = "already-signed-in"
    status = 409
    title_id = "Tugas di perangkat ini belum ditutup"
    title_en = "The shift on this device has not been closed"


class SignInRefused(Problem):
    slug = "sign-in-refused"
    status = 401
    title_id = "Kode petugas atau PIN salah"
    title_en = "Wrong code or PIN"


class AttendantStopped(Problem):
    """Only counting the cash and closing the shift is left to do."""

    slug = "attendant-stopped"
    status = 403
    title_id = "Kantor menghentikan tugas Anda; hubungi koordinator"
    title_en = "The office has stopped your work; call the coordinator"


class ServerUnreachable(Problem):
    slug = "server-unreachable"
    status = 503
    title_id = "Belum tersambung ke kantor; coba lagi sebentar"
    title_en = "Not connected to the office yet; try again shortly"


class RefusedByServer(Problem):
    """The office said no. Its own words are in `detail`, its slug in `office_slug`."""

    slug = "refused-by-office"
    status = 409
    title_id = "Ditolak oleh kantor"
    title_en = "Refused by the office"

    def __init__(self, detail: str = "", office_slug: str = "") -> None:
        super().__init__(detail)
        self.office_slug = office_slug

    def body(self) -> dict[str, Any]:
        return {**super().body(), "office_slug": self.office_slug}


class PassNotTaken(Problem):
    slug = "pass-not-taken"
    status = 409
    title_id = "Langganan ini tidak berlaku di sini"
    title_en = "This pass does not hold here"


class VoucherNotTaken(Problem):
    slug = "voucher-not-taken"
    status = 409
    title_id = "Voucher ini tidak dapat dipakai di sini"
    title_en = "This voucher cannot be used here"


class UnsyncedRecords(Problem):
    slug = "unsynced-records"
    status = 409
    title_id = "Masih ada catatan yang belum terkirim; sambungkan dulu, lalu coba lagi"
    title_en = "Some records are not sent yet; connect first, then try again"


class HeldUnseen(Problem):
    slug = "held-unseen"
    status = 409
    title_id = "Kantor menahan catatan yang belum Anda lihat; lihat dulu"
    title_en = "The office holds records you have not seen; look at them first"


class ShiftClosing(Problem):
    slug = "shift-closing"
    status = 409
    title_id = "Tugas sedang ditutup; uang sudah dihitung"
    title_en = "The shift is being closed; its cash has been counted"


class OfflineTooLong(Problem):
    slug = "offline-too-long"
    status = 409
    title_id = "Sambungkan dulu: sudah terlalu lama tanpa sambungan. Tunai tetap bisa dicatat"
    title_en = "Connect first: too long without a connection. Cash can still be recorded"


class OfflineLimit(Problem):
    slug = "offline-limit"
    status = 409
    title_id = (
        "Sambungkan dulu: batas kode bayar tanpa sambungan tercapai. Tunai tetap bisa dicatat"
    )
    title_en = (
        "Connect first: no more payment codes without a connection. Cash can still be recorded"
    )


class TrainingOnShift(Problem):
    slug = "training-on-shift"
    status = 409
    title_id = "Latihan hanya di luar tugas; tutup tugas dulu"
    title_en = "Practice is for outside a shift; end the shift first"


class NotInTraining(Problem):
    slug = "not-in-training"
    status = 409
    title_id = "Ini latihan: tidak ada karcis yang dicetak"
    title_en = "This is practice: no receipt is printed"


class UnknownSpot(Problem):
    slug = "unknown-spot"
    status = 404
    title_id = "Titik parkir ini tidak dikenal"
    title_en = "This spot is not known"


class SpotClosed(Problem):
    slug = "spot-closed"
    status = 409
    title_id = "Titik parkir ini sedang ditutup"
    title_en = "This parking spot is closed for now"


class NoPrice(Problem):
    slug = "no-price"
    status = 409
    title_id = "Tarif belum diketahui; sambungkan ke kantor dulu, baru terima tunai"
    title_en = "The price is not known; connect to the office before taking cash"


class StayChargeOpen(Problem):
    slug = "stay-charge-open"
    status = 409
    title_id = "Tagihan sebelumnya masih terbuka; tunggu atau batalkan dulu"
    title_en = "An earlier charge of this stay is still open; wait for it or cancel it first"


class NothingToGiveBack(Problem):
    slug = "nothing-to-give-back"
    status = 409
    title_id = "Tagihan ini belum lunas, atau uangnya sudah diurus kantor"
    title_en = "This charge is not paid, or the office deals with its money already"


class MadeElsewhere(Problem):
    slug = "made-elsewhere"
    status = 409
    title_id = "Tagihan ini bukan dari alat ini; minta di alat yang menagih, atau di kantor"
    title_en = "This charge is of another device; ask on that one, or at the office"


class NotNoticeable(Problem):
    slug = "not-noticeable"
    status = 409
    title_id = "Pemberitahuan hanya untuk hasil periksa yang salah, sampai 30 menit sesudahnya"
    title_en = "A notice is for a check that found something wrong, for 30 minutes after it"


class NoticeIssued(Problem):
    slug = "notice-issued"
    status = 409
    title_id = "Pemberitahuan ini sudah terbit; isinya tidak dapat diubah"
    title_en = "This notice is issued; what it says cannot be changed"


class NoPhoto(Problem):
    slug = "no-photo"
    status = 409
    title_id = "Ambil foto kendaraannya dulu"
    title_en = "Take a photo of the vehicle first"


class PhotosFull(Problem):
    slug = "photos-full"
    status = 409
    title_id = "Fotonya sudah cukup, atau penyimpanan foto penuh; sambungkan dulu"
    title_en = "There are enough photos, or no room for more; connect first"


class NoReceipt(Problem):
    slug = "no-receipt"
    status = 409
    title_id = "Belum ada karcis: pembayaran belum dipastikan kantor"
    title_en = "No receipt yet: the office has not confirmed a payment"


class NoSlip(Problem):
    slug = "no-slip"
    status = 409
    title_id = "Slip ini belum ada atau sudah tidak berlaku"
    title_en = "There is no such slip yet, or it counts no more"


class PrintQueueFull(Problem):
    slug = "print-queue-full"
    status = 503
    title_id = "Antrean cetak penuh: periksa printer"
    title_en = "The print queue is full: look at the printer"


class NoBarcode(Problem):
    slug = "no-barcode"
    status = 409
    title_id = "Kode bayar belum ada"
    title_en = "There is no payment code yet"


class PictureRefused(Problem):
    slug = "picture-refused"
    status = 422
    title_id = "Gambar tidak dapat dibaca"
    title_en = "The picture cannot be read"


class CameraFailed(Problem):
    slug = "camera-failed"
    status = 503
    title_id = "Kamera perangkat tidak memberi gambar; periksa kabelnya, lalu coba lagi"
    title_en = "The device's camera gives no picture; check its cable, then try again"


class StorageFailed(Problem):
    slug = "storage-failed"
    status = 507
    title_id = "Penyimpanan perangkat penuh atau rusak; tidak ada yang dicatat"
    title_en = "The device's storage is full or broken; nothing was recorded"


class InternalError(Problem):
    slug = "internal-error"
    status = 500
    title_id = "Ada yang tidak beres di perangkat ini; coba lagi"
    title_en = "Something went wrong on this device; try again"
