"""Every word on the handheld's screens, in Bahasa Indonesia and English.

Short sentences, no trade words: many attendants read little. A test holds the two complete.
"""

from collections.abc import Callable

MESSAGES: dict[str, tuple[str, str]] = {
    # Everywhere
    "app": ("Karcis", "Karcis"),
    "online": ("Online", "Online"),
    "offline": ("Offline", "Offline"),
    "offline-hint": (
        "Catatan disimpan di sini dan dikirim sendiri nanti.",
        "Records are kept here and sent by themselves later.",
    ),
    "unsynced": ("{n} belum terkirim", "{n} not sent"),
    "oldest": ("tertua {age}", "oldest {age}"),
    "quarantined": ("{n} ditahan kantor", "{n} held by the office"),
    "all-sent": ("Semua terkirim", "All sent"),
    "home": ("Beranda", "Home"),
    "language": ("English", "Bahasa"),
    "language-hint": ("Change the language to English", "Ganti bahasa ke Bahasa Indonesia"),
    "stopped": (
        "Layar ini berhenti. Menyambung lagi…",
        "This screen has stopped. Reconnecting…",
    ),
    "sound-on": ("Suara nyala", "Sound is on"),
    "sound-off": ("Suara mati", "Sound is off"),
    "device-pending": (
        "Menunggu persetujuan kantor. Kunci perangkat ini: {fingerprint}",
        "Waiting for the office's approval. This device's key: {fingerprint}",
    ),
    "device-suspended": (
        "Dinonaktifkan sementara oleh kantor; catatan tetap disimpan. Kunci: {fingerprint}",
        "Suspended by the office; records are kept. Key: {fingerprint}",
    ),
    "device-revoked": (
        "Dicabut oleh kantor. Kembalikan perangkat ini ke kantor. Kunci: {fingerprint}",
        "Revoked by the office. Bring this device back to the office. Key: {fingerprint}",
    ),
    "device-unknown": (
        "Kantor tidak mengenal perangkat ini. Hubungi koordinator. Kunci: {fingerprint}",
        "The office does not know this device. Call the coordinator. Key: {fingerprint}",
    ),
    "seconds": ("{n} dtk", "{n} s"),
    "minutes": ("{n} mnt", "{n} min"),
    "hours": ("{n} jam", "{n} h"),
    # Enrolment and sign-in
    "enrol-title": ("Daftarkan perangkat", "Enrol this device"),
    "enrol-code": ("Kode pendaftaran dari kantor", "Enrolment code from the office"),
    "enrol": ("Daftarkan", "Enrol"),
    "sign-in-title": ("Mulai tugas", "Start your shift"),
    "attendant-code": ("Kode petugas", "Attendant code"),
    "pin": ("PIN", "PIN"),
    "erase": ("Hapus", "Erase"),
    "sign-in": ("Masuk", "Sign in"),
    "sign-in-lapsed": (
        "Waktu tugas habis. Masuk lagi agar catatan terkirim.",
        "Your shift has lapsed. Sign in again so that records are sent.",
    ),
    "sign-out": ("Selesai tugas", "End shift"),
    # Home
    "choose-spot": ("Pilih titik parkir", "Choose a spot"),
    "change-spot": ("Ganti titik", "Change spot"),
    "no-spots": (
        "Daftar titik belum ada. Sambungkan ke kantor dulu.",
        "No spots yet. Connect to the office first.",
    ),
    "open-charges": ("Menunggu bayar", "Waiting for payment"),
    "recent-charges": ("Baru saja", "Just now"),
    "nothing-open": ("Belum ada kendaraan", "No vehicles yet"),
    "no-price": ("Tarif?", "Price?"),
    "scan": ("Pindai", "Scan"),
    "cash": ("Tunai", "Cash"),
    "today": ("Hari ini", "Today"),
    # Cash
    "cash-title": ("Terima tunai", "Take cash"),
    "cash-ask": ("Uang tunai sudah di tangan Anda?", "Is the cash in your hand?"),
    "cash-owed": ("Uang ini Anda setor ke kantor.", "You owe this money to the office."),
    "cash-yes": ("Ya, sudah saya terima", "Yes, I have it"),
    "cash-no": ("Batal", "Cancel"),
    "cash-unsent": ("Belum terkirim", "Not sent"),
    "cash-received": ("Tunai diterima", "Cash received"),
    "cash-unsent-why": (
        "Belum terkirim ke kantor. Tersimpan di sini dan dikirim sendiri.",
        "Not sent to the office yet. It is kept here and sent by itself.",
    ),
    "cash-refused-why": (
        "Uang ini tetap tercatat di sini. Hubungi koordinator.",
        "This money stays recorded here. Call the coordinator.",
    ),
    "amount-differs": (
        "Kantor mencatat {told}, bukan {quoted}.",
        "The office recorded {told}, not {quoted}.",
    ),
    # The day of the attendant
    "today-title": ("Hak saya hari ini", "My day so far"),
    "today-qris": ("Dibayar QRIS", "Paid by QRIS"),
    "today-cash": ("Tunai, saya setor", "Cash, I owe it"),
    "vehicles": ("{n} kendaraan", "{n} vehicles"),
    "today-unsent": ("{n} belum dicatat kantor", "{n} not recorded by the office"),
    "today-source": (
        "Menurut perangkat ini saja. Bagian Anda dihitung dari pembukuan kantor.",
        "By this device alone. Your share is worked out from the office's books.",
    ),
    # A charge
    "charge-title": ("Bayar parkir", "Pay for parking"),
    "match-code": ("Kode cocok", "Match code"),
    "match-code-hint": (
        "Harus sama dengan kode di layar pengemudi",
        "Must equal the code on the driver's screen",
    ),
    "time-left": ("Sisa waktu", "Time left"),
    "checking": ("Memastikan ke kantor…", "Checking with the office…"),
    "barcode-alt": (
        "Kode QRIS {amount} untuk {merchant}",
        "QRIS code of {amount} for {merchant}",
    ),
    "next-vehicle": ("Kendaraan berikut", "Next vehicle"),
    "paid": ("LUNAS", "PAID"),
    "say-paid": ("Lunas, {amount}. Kode {code}.", "Paid, {amount}. Code {code}."),
    "say-cash": (
        "Tunai diterima, {amount}. Belum terkirim.",
        "Cash received, {amount}. Not sent yet.",
    ),
    "say-unpaid": ("{verdict}. Belum lunas.", "{verdict}. Not paid."),
    "waiting": ("Menunggu", "Waiting"),
    "waiting-code": ("Meminta kode bayar…", "Asking for a payment code…"),
    "waiting-wallet": (
        "Menunggu dompet pengemudi menyetujui…",
        "Waiting for the driver's wallet to agree…",
    ),
    "waiting-offline": (
        "Tidak tersambung. Permintaan tersimpan dan dikirim sendiri.",
        "Offline. The request is kept and sent by itself.",
    ),
    "issue-unknown": (
        "Kantor masih memastikan kode bayar.",
        "The office is still making sure of the payment code.",
    ),
    "expired": ("Kedaluwarsa", "Expired"),
    "expired-why": (
        "Waktu bayar habis. Belum ada uang masuk.",
        "Time ran out. No money has come in.",
    ),
    "cancelled": ("Dibatalkan", "Cancelled"),
    "cancelled-why": ("Tagihan ini dibatalkan.", "This charge was cancelled."),
    "issue-failed": ("Gagal", "Failed"),
    "issue-failed-why": (
        "Kode bayar tidak dapat dibuat. Coba sekali lagi.",
        "The payment code could not be made. Try once more.",
    ),
    "refused": ("Ditolak", "Refused"),
    "refused-why": ("Kantor menolak permintaan ini:", "The office refused this request:"),
    "refund": ("Uang kembali", "Refund"),
    "refund-why": (
        "Pembayaran ini dikembalikan atau sedang diurus kantor.",
        "This payment was refunded or is being handled by the office.",
    ),
    "flag-late": (
        "Uang masuk terlambat. Kantor mengurusnya; ini bukan tanda lunas.",
        "Money came late. The office handles it; this does not count as paid.",
    ),
    "flag-over": (
        "Uang yang masuk lebih dari tagihan. Kantor mengurusnya.",
        "More money came in than was asked. The office handles it.",
    ),
    "flag-under": (
        "Uang yang masuk kurang dari tagihan. Kantor mengurusnya.",
        "Less money came in than was asked. The office handles it.",
    ),
    "flag-duplicate": (
        "Dibayar dua kali. Kantor mengembalikan kelebihannya.",
        "Paid twice. The office returns what is too much.",
    ),
    "flag-returned": (
        "Uang masuk dan sudah dikembalikan penyedia pembayaran; ini bukan tanda lunas.",
        "Money came, and the payment provider gave it back; this does not count as paid.",
    ),
    "receipt": ("Karcis", "Receipt"),
    # Printing
    "print-waiting-receipt": ("Menunggu nomor karcis", "Waiting for the receipt number"),
    "print-none": ("Belum dicetak di sini", "Not printed here yet"),
    "print-QUEUED": ("Menunggu giliran cetak", "Waiting to print"),
    "print-SENDING": ("Sedang dicetak…", "Printing…"),
    "print-PRINTED": ("Karcis sudah tercetak", "The receipt is printed"),
    "print-UNCERTAIN": ("Periksa: apakah karcis keluar?", "Look: did the receipt come out?"),
    "print-REFUSED": ("Karcis tidak dapat dicetak", "The receipt cannot be printed"),
    "print-again": ("Cetak ulang (SALINAN)", "Print a copy (SALINAN)"),
    "print-retry": ("Cetak karcis", "Print the receipt"),
    "print-confirm": ("Sudah keluar", "It came out"),
    "printer": ("Printer", "Printer"),
    "printer-paper-out": ("Kertas habis", "Out of paper"),
    "printer-paper-near-end": ("Kertas hampir habis", "Paper is running low"),
    "printer-cover-open": ("Tutup printer terbuka", "The printer's cover is open"),
    "printer-error": ("Printer bermasalah", "The printer reports a fault"),
    "printer-offline": ("Printer tidak siap", "The printer is not ready"),
    "printer-unreachable": ("Printer tidak tersambung", "The printer is not connected"),
    "printer-unknown": ("Belum diketahui", "Not known yet"),
    "printer-ready": ("Printer siap", "The printer is ready"),
    "printer-no-word": ("Printer tidak memberi kabar", "The printer gave no word"),
    "printer-interrupted": ("Perangkat mati saat mencetak", "The device stopped while printing"),
    "printer-unprintable": ("Isi karcis tidak dapat dicetak", "The receipt cannot be laid out"),
    "printer-not-paid": ("Tidak lagi berstatus lunas", "It no longer counts as paid"),
    # Scanning
    "scan-title": ("Pindai kode", "Scan a code"),
    "camera-starting": ("Menyalakan kamera…", "Starting the camera…"),
    "camera-on": ("Arahkan kamera ke kode", "Point the camera at the code"),
    "camera-tips": (
        "Dekatkan, tahan diam, hindari pantulan.",
        "Move closer, hold still, avoid glare.",
    ),
    "camera-refused": (
        "Kamera tidak diizinkan. Izinkan kamera, lalu ketuk Coba lagi.",
        "The camera is not allowed. Allow it, then tap Try again.",
    ),
    "camera-absent": (
        "Kamera tidak ditemukan. Ambil foto atau ketik kodenya.",
        "No camera was found. Take a photo or type the code.",
    ),
    "camera-taken": (
        "Kamera dipakai aplikasi lain. Tutup aplikasi itu, lalu ketuk Coba lagi.",
        "Another app is using the camera. Close it, then tap Try again.",
    ),
    "camera-lost": ("Kamera terputus. Ketuk Coba lagi.", "The camera stopped. Tap Try again."),
    "camera-retry": ("Coba lagi", "Try again"),
    "torch": ("Senter", "Torch"),
    "take-photo": ("Ambil foto", "Take a photo"),
    "read-photo": ("Baca foto", "Read the photo"),
    "type-code": ("Ketik kode titik atau nomor karcis", "Type a spot's code or a receipt's number"),
    "open": ("Buka", "Open"),
    "typed-mistyped": (
        "Salah ketik. Periksa huruf dan angkanya.",
        "Mistyped. Check each character.",
    ),
    "typed-unknown-spot": ("Titik ini tidak ada di daftar.", "This spot is not on the list."),
    "typed-receipt": ("Nomor karcis lengkap", "A complete receipt number"),
    "scan-again": ("Pindai lagi", "Scan again"),
    "found-none": ("Tidak ada kode yang terbaca", "No code could be read"),
    "found-none-hint": (
        "Dekatkan, tahan diam, hindari pantulan.",
        "Move closer, hold still, avoid glare.",
    ),
    "found-several": ("Ada beberapa kode. Pilih satu:", "There are several codes. Choose one:"),
    "found-receipt": ("Karcis asli", "A genuine receipt"),
    "found-receipt-hint": (
        "Cocokkan kendaraan, titik, dan waktunya.",
        "Compare the vehicle, the spot and the time.",
    ),
    "found-no-receipt": ("KARCIS TIDAK ADA", "NO SUCH RECEIPT"),
    "found-no-receipt-hint": (
        "Nomor {name} tidak ada di buku kantor. Laporkan.",
        "Number {name} is not in the office's books. Report it.",
    ),
    "found-foreign-qris": ("BUKAN KODE KITA", "NOT OUR CODE"),
    "found-foreign-qris-hint": (
        "Uang akan masuk ke {name}. Jangan dipakai; laporkan.",
        "Money would go to {name}. Do not use it; report it.",
    ),
    "found-proof-paid": ("LUNAS", "PAID"),
    "found-proof-paid-hint": (
        "Cocokkan titik dan kendaraannya.",
        "Compare the spot and the vehicle.",
    ),
    "found-proof-taken": ("SUDAH DIPAKAI", "TAKEN BEFORE"),
    "found-proof-taken-hint": (
        "Bukti ini sudah ditunjukkan {time}. Minta pengemudi membuka tagihannya sendiri.",
        "This proof was shown at {time}. Ask the driver to open a charge of their own.",
    ),
    "found-proof-old": ("BUKTI LAMA", "AN OLD PROOF"),
    "found-proof-old-hint": (
        "Pembayaran ini bukan untuk parkir sekarang.",
        "This payment is not for parking now.",
    ),
    "found-proof-void": ("TIDAK BERLAKU LAGI", "NO LONGER VALID"),
    "found-proof-void-hint": (
        "Uangnya sudah dikembalikan atau sedang dikembalikan.",
        "Its money went back, or is going back.",
    ),
    "found-proof-unknown-key": ("BELUM TERVERIFIKASI", "NOT VERIFIED"),
    "found-proof-unknown-key-hint": (
        "Perangkat ini belum mengenal tanda tangannya. Periksa lagi saat tersambung.",
        "This device does not know its signature yet. Check again once connected.",
    ),
    "found-proof-forged": ("BUKTI PALSU", "A FALSE PROOF"),
    "found-proof-forged-hint": (
        "Bukan tanda tangan kantor. Belum lunas; laporkan.",
        "Not the office's signature. Not paid; report it.",
    ),
    "found-imposter": ("TANDA PALSU", "A FALSE SIGN"),
    "found-imposter-hint": (
        "Mirip tanda kita, tetapi menuju {name}. Tidak dibuka; laporkan.",
        "It looks like ours but leads to {name}. Not opened; report it.",
    ),
    "found-unverified": ("BELUM TERVERIFIKASI", "NOT VERIFIED"),
    "found-unverified-qris-hint": (
        "QRIS atas nama {name}. Belum dapat ditanyakan ke kantor; jangan dianggap lunas.",
        "A QRIS of {name}. The office cannot be asked yet; it does not count as paid.",
    ),
    "found-unverified-receipt-hint": (
        "Nomor {name} ditulis benar. Asli atau tidak, baru kantor yang tahu.",
        "Number {name} is written right. Whether it is genuine only the office knows.",
    ),
    "found-consumer-qris": ("QRIS dari ponsel pengemudi", "QRIS on the driver's phone"),
    "found-consumer-qris-hint": (
        "Pilih kendaraan. Dompet pengemudi langsung ditagih.",
        "Choose the vehicle. The driver's wallet is charged at once.",
    ),
    "found-consumer-qris-offline": (
        "Menagih dari ponsel pengemudi perlu sambungan. Tunjukkan kode bayar kita.",
        "Charging the driver's phone needs a connection. Show our payment code instead.",
    ),
    "collect-where": ("Pilih titik parkir kendaraan ini", "Choose where this vehicle stands"),
    "found-mistyped": ("Kode salah ketik atau rusak", "A mistyped or damaged code"),
    "found-mistyped-hint": (
        "Huruf periksa di ujungnya tidak cocok. Ketik sekali lagi.",
        "The check character at its end does not fit. Type it once more.",
    ),
    "found-unknown-spot": ("Titik tidak dikenal", "Unknown spot"),
    "found-unknown-spot-hint": (
        "{name} tidak ada di daftar perangkat ini.",
        "{name} is not on this device's list.",
    ),
    "found-enrolment": ("Kode pendaftaran perangkat", "A device's enrolment code"),
    "found-enrolment-hint": (
        "Untuk perangkat baru. Perangkat ini sudah terdaftar.",
        "For a new device. This device is enrolled already.",
    ),
    "found-unknown-hint": (
        "Bukan kode parkir. Tidak dibuka.",
        "Not a parking code. It was not opened.",
    ),
    # What a text is called, in a choice and when it is nothing of ours
    "what-spot": ("Titik parkir", "Parking spot"),
    "what-receipt": ("Karcis", "Receipt"),
    "what-qris": ("Kode bayar QRIS", "QRIS payment code"),
    "what-consumer-qris": ("QRIS dari ponsel pengemudi", "QRIS on a driver's phone"),
    "what-proof": ("Bukti bayar", "Proof of payment"),
    "what-enrolment": ("Kode pendaftaran perangkat", "A device's enrolment code"),
    "what-mistyped": ("Kode rusak", "A damaged code"),
    "what-imposter": ("Tanda palsu", "A false sign"),
    "what-payment": ("Kode bayar yang bukan QRIS", "A payment code that is not QRIS"),
    "what-web": ("Alamat web", "Web address"),
    "what-wifi": ("Wi-Fi", "Wi-Fi network"),
    "what-contact": ("Kartu nama", "Contact card"),
    "what-phone": ("Nomor telepon", "Telephone number"),
    "what-message": ("Pesan SMS", "Text message"),
    "what-mail": ("Surel", "E-mail"),
    "what-place": ("Lokasi peta", "Place on a map"),
    "what-event": ("Acara kalender", "Calendar event"),
    "what-number": ("Nomor barang", "Number of some article"),
    "what-text": ("Tulisan biasa", "Plain text"),
    # Pictures that cannot be read
    "picture-empty": ("Gambarnya kosong.", "The picture is empty."),
    "picture-too-large": ("Gambarnya terlalu besar.", "The picture is too large."),
    "picture-too-small": ("Gambarnya terlalu kecil.", "The picture is too small."),
    "picture-unreadable": (
        "Berkas ini bukan gambar yang dikenal.",
        "This file is not a picture that can be read.",
    ),
    "problem-title": ("Belum bisa", "Not possible now"),
}


def text(key: str, language: str, **values: object) -> str:
    """The words for a key; a key that does not exist is a fault of the program and raises."""
    bahasa, english = MESSAGES[key]
    words = english if language == "en" else bahasa
    return words.format(**values) if values else words


def translator(language: str) -> Callable[..., str]:
    """`text` for one language, as templates call it."""

    def translate(key: str, **values: object) -> str:
        return text(key, language, **values)

    return translate


def age(seconds: int, language: str) -> str:
    """How long ago, in the largest whole unit."""
    if seconds < 60:
        return text("seconds", language, n=seconds)
    if seconds < 3600:
        return text("minutes", language, n=seconds // 60)
    return text("hours", language, n=seconds // 3600)
