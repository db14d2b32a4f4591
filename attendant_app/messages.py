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
    "offline-left": ("sisa {time}", "{time} left"),
    "offline-shown": ("{n}/{most} kode", "{n}/{most} codes"),
    "offline-over": (
        "Sambungkan dulu. Sudah terlalu lama tanpa sambungan; tunai tetap bisa.",
        "Connect first. Too long without a connection; cash still works.",
    ),
    "offline-full": (
        "Sambungkan dulu. Batas kode tercapai; tunai tetap bisa.",
        "Connect first. No more codes may be shown; cash still works.",
    ),
    "hours-minutes": ("{hours} jam {minutes} mnt", "{hours} h {minutes} min"),
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
        "Tunggu petugas kedua. Ia mencocokkan empat kata ini di kantor: {fingerprint}",
        "Wait for the second officer, who compares these four words: {fingerprint}",
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
    "enrol-hint": (
        "Arahkan kamera ke kode QR dari kantor, atau ketik kodenya.",
        "Point the camera at the office's QR code, or type the code.",
    ),
    "enrol-again": ("Daftarkan kunci baru", "Register a new key"),
    "enrol-again-hint": (
        "Kantor membuat kode kunci baru untuk perangkat ini. Kunci sekarang: {fingerprint}",
        "The office makes a code for this device's new key. Its key now: {fingerprint}",
    ),
    "enrol-other": (
        "Ini bukan kode pendaftaran. Pakai kode dari kantor.",
        "This is no enrolment code. Use the office's.",
    ),
    "enrol-code": ("Kode pendaftaran dari kantor", "Enrolment code from the office"),
    "enrol": ("Daftarkan", "Enrol"),
    "sign-in-title": ("Mulai tugas", "Start your shift"),
    "attendant-code": ("Kode petugas", "Attendant code"),
    "pin": ("PIN", "PIN"),
    "erase": ("Hapus", "Erase"),
    "sign-in": ("Masuk", "Sign in"),
    "attendant-stopped": (
        "Kantor menghentikan tugas Anda. Hitung uang, tutup tugas, hubungi koordinator.",
        "The office has stopped your work. Count the cash, end the shift, call the coordinator.",
    ),
    "sign-in-lapsed": (
        "Waktu tugas habis. Masuk lagi agar catatan terkirim.",
        "Your shift has lapsed. Sign in again so that records are sent.",
    ),
    # Closing a shift
    "close-shift": ("Selesai tugas", "End shift"),
    "count-title": ("Hitung uang tunai", "Count the cash"),
    "one-less": ("Kurangi satu {note}", "One {note} less"),
    "one-more": ("Tambah satu {note}", "One {note} more"),
    "coins": ("Logam, Rp", "Coins, Rp"),
    "counted": ("Dihitung", "Counted"),
    "expected": ("Seharusnya", "Expected"),
    "too-much": ("Lebih", "Too much"),
    "too-little": ("Kurang", "Too little"),
    "agrees": ("Cocok", "It agrees"),
    "count-done": ("Sudah dihitung", "I have counted"),
    "count-again": ("Hitung lagi", "Count again"),
    "not-yet": ("Belum selesai", "Not yet"),
    "close-ask": ("Tutup tugas sekarang?", "End the shift now?"),
    "close-yes": ("Ya, tutup", "Yes, end it"),
    "close-differs": (
        "Boleh ditutup. Kantor akan menanyakan selisihnya.",
        "You may end it. The office will ask about the difference.",
    ),
    "close-unsent": (
        "{n} belum terkirim. Tunggu sampai semua terkirim.",
        "{n} not sent. Wait until all is sent.",
    ),
    "close-held": (
        "{n} catatan ditahan kantor. Tanyakan saat menyetor.",
        "{n} records are held by the office. Ask about them when you pay in.",
    ),
    "closing": ("Menutup…", "Ending…"),
    "closing-why": ("Menunggu jawaban kantor.", "Waiting for the office's answer."),
    "closed-title": ("Tugas ditutup", "Shift ended"),
    "closed-owed": (
        "Yang harus disetor tetap menurut kantor.",
        "What you owe stays as the office says.",
    ),
    "closed-differs": (
        "Selisih dicatat. Yang harus disetor tetap menurut kantor.",
        "The difference is noted. What you owe stays as the office says.",
    ),
    "closed-elsewhere": (
        "Kantor sudah menutupnya. Tanyakan kepada koordinator.",
        "The office has ended it already. Ask the coordinator.",
    ),
    "made-by": ("Tagihan {name}", "{name}'s charge"),
    "next-attendant": ("Petugas berikut", "Next attendant"),
    # Home
    "choose-spot": ("Pilih titik parkir", "Choose a spot"),
    "change-spot": ("Ganti titik", "Change spot"),
    "no-spots": (
        "Daftar titik belum ada. Sambungkan ke kantor dulu.",
        "No spots yet. Connect to the office first.",
    ),
    "spot-closed": ("DITUTUP", "CLOSED"),
    "closed-until": ("Sampai {when}.", "Until {when}."),
    "closed-further": ("Sampai ada kabar dari kantor.", "Until the office says otherwise."),
    "closed-running": (
        "Jangan terima kendaraan baru. Yang sudah parkir tetap diakhiri dan membayar.",
        "Take no new vehicle. Those parked already still end and pay.",
    ),
    "open-charges": ("Menunggu bayar", "Waiting for payment"),
    "recent-charges": ("Baru saja", "Just now"),
    "nothing-open": ("Belum ada kendaraan", "No vehicles yet"),
    "no-price": ("Tarif?", "Price?"),
    "scan": ("Pindai", "Scan"),
    "cash": ("Tunai", "Cash"),
    "codes-kept": ("{n} kode", "{n} codes"),
    "cash-only": ("Tunai saja", "Cash only"),
    "today": ("Hari ini", "Today"),
    # A stay that is paid when the vehicle leaves
    "stays": ("Sedang parkir", "Parked now"),
    "stay-title": ("Parkir", "Parking"),
    "stay-running": ("Parkir", "Parked"),
    "stay-over": ("Lewat waktu", "Over time"),
    "stay-owed": ("Belum dibayar", "Not paid"),
    "stay-waiting": ("Menunggu bayar", "Waiting for payment"),
    "stay-leaving": ("Berangkat", "Leaving"),
    "stay-voided": ("Dibatalkan", "Taken back"),
    "stay-refused": ("Ditolak kantor", "Refused"),
    "stay-free": ("Gratis", "Free"),
    "stay-free-why": ("Tidak ada yang perlu dibayar.", "There is nothing to pay."),
    "stay-leaving-why": (
        "Tercatat di sini. Harga menunggu kantor.",
        "Recorded here. The price waits for the office.",
    ),
    "stay-unsent-why": (
        "Belum terkirim ke kantor. Dikirim sendiri.",
        "Not sent to the office yet. It is sent by itself.",
    ),
    "stay-paid-before": ("Sudah dibayar {amount}", "Paid before: {amount}"),
    "stay-leave": ("Berangkat", "Leaves"),
    "stay-pay": ("Bayar QRIS", "Pay by QRIS"),
    "stay-code": ("Lihat tagihan", "Show the charge"),
    "stay-scan": ("Pindai voucher atau dompet", "Scan a voucher or a wallet"),
    "stay-scan-hint": (
        "Voucher, atau kode bayar di HP pengemudi.",
        "A voucher, or the payment code on the driver's phone.",
    ),
    "stay-scan-hint-offline": (
        "Voucher saja. Kode bayar di HP pengemudi perlu sambungan.",
        "A voucher only. The code on the driver's phone needs a connection.",
    ),
    "stay-pay-now": ("Bayar {amount}", "Pay {amount}"),
    "stay-pay-other": ("Cara bayar lain", "Pay otherwise"),
    "stay-voucher-hint": (
        "Untuk parkir ini. Sisa nilai tidak kembali.",
        "For this stay. What is left over is not given back.",
    ),
    "stay-voucher-too-small": (
        "NILAI KURANG. Bayar seluruhnya dengan cara lain.",
        "NOT ENOUGH. Pay all of it in another way.",
    ),
    "stay-voucher-other-class": (
        "UNTUK KENDARAAN LAIN. Bayar dengan cara lain.",
        "FOR ANOTHER VEHICLE. Pay in another way.",
    ),
    "stay-wallet-hint": (
        "Dompet pengemudi langsung ditagih.",
        "The driver's wallet is charged at once.",
    ),
    "stay-wallet-offline": (
        "Menagih dari HP pengemudi perlu sambungan. Terima voucher atau tunai.",
        "Charging the driver's phone needs a connection. Take a voucher or cash.",
    ),
    "cancel-code": ("Batalkan kode", "Cancel the code"),
    "stay-extend": ("+1 jam", "+1 h"),
    "void": ("Batalkan", "Take back"),
    "void-title": ("Mengapa dibatalkan?", "Why is it taken back?"),
    "void-hint": (
        "Yang sudah dibayar tidak dibatalkan di sini: buka tagihannya, Minta uang kembali.",
        "What has been paid is not taken back here: open its charge, Ask for money back.",
    ),
    "void-wrong_vehicle": ("Salah kendaraan", "Wrong vehicle"),
    "void-wrong_spot": ("Salah titik", "Wrong spot"),
    "void-driver_left": ("Pengemudi pergi", "The driver left"),
    "void-other": ("Lainnya", "Other"),
    # A wish for money back
    "wish": ("Minta uang kembali", "Ask for money back"),
    "wish-title": ("Mengapa minta kembali?", "Why money back?"),
    "wish-hint": ("Kantor yang mengembalikan, bukan Anda.", "The office gives it back, not you."),
    "wish-no": ("Tidak jadi", "Not after all"),
    "wish-paid_late": ("Dibayar terlambat", "Paid too late"),
    "wish-paid_twice": ("Dibayar dua kali", "Paid twice"),
    "wish-other_amount": ("Jumlah salah", "Wrong amount"),
    "wish-wrong_charge": ("Salah kendaraan", "Wrong vehicle"),
    "wish-not_parked": ("Tidak jadi parkir", "Did not park"),
    "wish-other": ("Lainnya", "Other"),
    "wish-waiting": (
        "Uang kembali: tercatat, belum terkirim ke kantor",
        "Money back: recorded, not sent to the office yet",
    ),
    "wish-accepted": (
        "Uang kembali: sudah dilaporkan ke kantor",
        "Money back: reported to the office",
    ),
    "wish-quarantined": (
        "Uang kembali: ditahan kantor untuk diperiksa",
        "Money back: held by the office to be looked into",
    ),
    # Cash
    "cash-title": ("Terima tunai", "Take cash"),
    "cash-ask": ("Uang tunai sudah di tangan Anda?", "Is the cash in your hand?"),
    "cash-owed": ("Uang ini Anda setor ke kantor.", "You owe this money to the office."),
    "cash-yes": ("Ya, sudah saya terima", "Yes, I have it"),
    "cash-no": ("Batal", "Cancel"),
    "cash-unsent": ("Belum terkirim", "Not sent"),
    "cash-held": ("Tunai diperiksa kantor", "Office checks this cash"),
    "cash-held-why": (
        "Uangnya sudah Anda terima dan tercatat; kantor memeriksanya. Jangan tagih lagi.",
        "You have the money and it is on record; the office looks into it. Do not take it again.",
    ),
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
    # Vouchers
    "valid-until": ("Berlaku s.d. {day}", "Valid until {day}"),
    "voucher-taken": ("Voucher diterima", "Voucher taken"),
    "voucher-unsent": ("Belum terkirim", "Not sent"),
    "voucher-unsent-why": (
        "Simpan kertasnya. Kantor memeriksa saat tersambung.",
        "Keep the slip. The office checks it once connected.",
    ),
    "voucher-refused-why": (
        "Simpan kertas vouchernya untuk kantor.",
        "Keep the voucher's slip for the office.",
    ),
    "voucher-too-small": (
        "NILAI KURANG: tarif di sini lebih mahal. Bayar seluruhnya dengan cara lain.",
        "NOT ENOUGH: the price here is higher. Pay all of it in another way.",
    ),
    # Passes, and vehicles that park free
    "free": ("Bebas", "Free"),
    "free-hint": (
        "Pilih gambarnya. Setiap kendaraan bebas dihitung kantor.",
        "Choose the picture. The office counts each free vehicle.",
    ),
    "free-taken": ("Bebas, dicatat", "Free, recorded"),
    "pass-taken": ("Langganan", "Pass"),
    "pass-any-plate": ("Semua pelat", "Any plate"),
    "pass-all-zones": ("Semua zona", "All zones"),
    "pass-period": ("{first} s.d. {last}", "{first} to {last}"),
    # The day of the attendant
    "today-title": ("Hak saya hari ini", "My day so far"),
    "today-of": ("Untuk {date}, sampai pukul {hour}", "For {date}, until {hour}"),
    "today-qris": ("Dibayar QRIS", "Paid by QRIS"),
    "today-cash": ("Tunai, saya setor", "Cash, I owe it"),
    "vehicles": ("{n} kendaraan", "{n} vehicles"),
    "today-unsent": ("{n} belum dicatat kantor", "{n} not recorded by the office"),
    "today-share": ("Bagian saya {part} %", "My share, {part} %"),
    "today-payout": ("Dibayarkan {date}", "Paid out on {date}"),
    "today-in-payout": (
        "Sedang ditransfer bank: {amount}",
        "Being transferred by the bank: {amount}",
    ),
    "today-last-payout": ("Terakhir dibayar: {amount}, {date}", "Last paid: {amount}, {date}"),
    "shares": ("Slip bagi hasil", "Slips of my share"),
    "shares-none": ("Belum ada yang dibayarkan.", "Nothing was paid out yet."),
    "shares-unknown": (
        "Belum diketahui: kantor belum memberi tahu.",
        "Not known yet: the office has not told.",
    ),
    "share-paid": ("Dibayar {date}", "Paid {date}"),
    "share-span": ("{first} sampai {last}, {n} hari", "{first} until {last}, {n} days"),
    "share-gross": ("Penerimaan bruto", "Gross takings"),
    "share-part": ("Bagian {part}%", "Part of {part}%"),
    "share-taken-back": ("Dikurangi pengembalian", "Less refunds"),
    "share-rest": ("Sisa masa sebelumnya", "Left of earlier days"),
    "share-account": ("Ke rekening", "To account"),
    "share-reference": ("Referensi bank", "Bank's reference"),
    "today-unpaid": ("Belum dibayarkan semuanya: {amount}", "Not paid out yet, in all: {amount}"),
    "today-not-told": (
        "Bagian saya belum diketahui; menunggu kantor.",
        "My share is not known yet; waiting for the office.",
    ),
    "today-owed": ("Semua yang harus saya setor: {amount}", "All that I have to pay in: {amount}"),
    "today-told": ("Menurut kantor, {age} lalu.", "By the office, {age} ago."),
    "pending-unconfirmed": ("Belum dibayar pengemudi", "Not paid by the driver yet"),
    "pending-late": ("Ditahan: dibayar terlambat", "Held: paid too late"),
    "pending-over": ("Ditahan: dibayar lebih", "Held: too much was paid"),
    "pending-under": ("Ditahan: dibayar kurang", "Held: too little was paid"),
    "pending-duplicate": ("Ditahan: dibayar dua kali", "Held: paid twice"),
    "pending-held": ("Ditahan kantor", "Held by the office"),
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
    "say-held": (
        "Tunai {amount} diperiksa kantor. Jangan tagih lagi.",
        "The office checks this cash of {amount}. Do not take it again.",
    ),
    "say-voucher": (
        "Voucher diterima. Belum terkirim.",
        "Voucher taken. Not sent.",
    ),
    "say-unpaid": ("{verdict}. Belum lunas.", "{verdict}. Not paid."),
    "waiting": ("Menunggu", "Waiting"),
    "waiting-code": ("Meminta kode bayar…", "Asking for a payment code…"),
    "waiting-wallet": (
        "Menunggu dompet pengemudi menyetujui…",
        "Waiting for the driver's wallet to agree…",
    ),
    "not-sure-here": ("Belum bisa dipastikan di sini", "Cannot be made sure of here"),
    "not-sure-here-hint": (
        "Kode ini bisa dibayar. Lunas baru setelah tersambung, atau bukti pengemudi dipindai.",
        "This code can be paid. Paid only once connected, or when the driver's proof is scanned.",
    ),
    "paid-ask": ("Sudah bayar?", "Paid already?"),
    "paid-ask-hint": (
        "Arahkan kamera HP pengemudi ke sini. Bukan kode bayar.",
        "Point the driver's camera here. No payment code.",
    ),
    "paid-ask-alt": (
        "Kode QR halaman pengemudi, kode cocok {code}",
        "QR code of the driver's page, match code {code}",
    ),
    "scan-proof": ("Pindai buktinya", "Scan the proof"),
    "back-to-code": ("Kode bayar", "Payment code"),
    "instead-offline": (
        "Sekarang bisa: terima tunai, atau pengemudi memindai tanda di titik ini.",
        "Possible now: take cash, or the driver scans the sign at this spot.",
    ),
    "waiting-offline": (
        "Tidak tersambung. Permintaan tersimpan dan dikirim sendiri.",
        "Offline. The request is kept and sent by itself.",
    ),
    "issue-unknown": (
        "Kantor masih memastikan kode bayar.",
        "The office is still making sure of the payment code.",
    ),
    "wallet-unknown": (
        "Belum pasti apakah dompet sudah membayar. Kantor menanyakannya; jangan tagih lagi.",
        "Not sure whether the wallet has paid. The office asks; do not charge again.",
    ),
    "wallet-refused-why": (
        "Dompet pengemudi menolak. Tidak ada uang yang diambil.",
        "The driver's wallet refused. No money was taken.",
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
    "refund-done": ("{amount} sudah dikembalikan", "{amount} was given back"),
    "refund-under-way": ("{amount} sedang dikembalikan", "{amount} is being given back"),
    "refund-not-yet": (
        "{amount} belum berhasil dikembalikan; kantor mengurusnya",
        "{amount} could not be given back yet; the office handles it",
    ),
    "refund-by-acquirer": ("Ke aplikasi pembayar", "To the payer's app"),
    "refund-by-transfer": ("Transfer bank", "Bank transfer"),
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
    "print-PRINTED": ("Sudah tercetak", "Printed"),
    "print-UNCERTAIN": ("Periksa: apakah kertasnya keluar?", "Look: did the paper come out?"),
    "print-FAILED": ("Tidak tercetak", "Not printed"),
    "print-hand-off": (
        "Siap dikirim: buka di RawBT, lalu lihat kertasnya",
        "Ready: open it in RawBT, then look at the paper",
    ),
    "print-open": ("Buka di RawBT", "Open in RawBT"),
    "e-receipt": ("Karcis di HP", "Receipt on a phone"),
    "e-receipt-alt": ("Kode QR karcis {number}", "QR code of receipt {number}"),
    "print-again": ("Cetak ulang (SALINAN)", "Print a copy (SALINAN)"),
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
    "printer-unprintable": ("Isinya tidak dapat dicetak", "It cannot be laid out"),
    "printer-not-paid": ("Tidak lagi berstatus lunas", "It no longer counts as paid"),
    "printer-over": ("Sudah tidak berlaku", "It counts no more"),
    "tickets-on": ("Karcis masuk: otomatis", "Tickets: by themselves"),
    "tickets-off": ("Karcis masuk: diketuk", "Tickets: when tapped"),
    "slip-receipt": ("Cetak karcis", "Print the receipt"),
    "slip-entry": ("Cetak karcis masuk", "Print the ticket"),
    "slip-payment": ("Cetak kode bayar", "Print the payment code"),
    "slip-void": ("Cetak slip batal", "Print the void slip"),
    "slip-wish": ("Cetak tanda minta kembali", "Print a slip of it"),
    "slip-refund": ("Cetak slip uang kembali", "Print the refund slip"),
    "slip-shift": ("Cetak slip tugas", "Print the shift slip"),
    "slip-deposit": ("Cetak slip setoran", "Print a deposit slip"),
    "slip-share": ("Cetak slip bagi hasil", "Print the slip of the share"),
    "slip-named-share": ("Slip bagi hasil", "Slip of the share"),
    "slip-notice": ("Cetak pemberitahuan", "Print the notice"),
    "slip-named-notice": ("Pemberitahuan", "Notice"),
    "slip-named-entry": ("Karcis masuk", "Ticket"),
    "slip-named-payment": ("Kode bayar", "Payment code"),
    "slip-named-void": ("Slip batal", "Void slip"),
    "slip-named-wish": ("Tanda minta kembali", "Slip of the wish"),
    "slip-named-refund": ("Slip uang kembali", "Refund slip"),
    "slip-named-shift": ("Slip tugas", "Shift slip"),
    "slip-named-deposit": ("Slip setoran", "Deposit slip"),
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
    "found-stay": ("Karcis masuk", "A parking ticket"),
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
    "found-proof-taken-elsewhere-hint": (
        "Bukti ini sudah dipakai {time} di {spot} oleh {name}. Minta pengemudi membuka tagihannya"
        " sendiri.",
        "This proof was taken at {time} at {spot} by {name}. Ask the driver to open a charge of"
        " their own.",
    ),
    "found-proof-elsewhere": ("LUNAS DI JALAN LAIN", "PAID IN ANOTHER STREET"),
    "found-proof-elsewhere-hint": (
        "Bukti ini asli, tetapi bukan untuk jalan ini. Minta pembayaran untuk titik ini.",
        "This proof is genuine, but not for this street. Ask for payment of this spot.",
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
    "found-proof-alone": ("SAMBUNGKAN DULU", "CONNECT FIRST"),
    "found-proof-alone-hint": (
        "Perangkat ini terlalu lama tanpa sambungan untuk memastikan bukti.",
        "This device has been without a connection too long to be sure of a proof.",
    ),
    "old-list": (
        "Daftar bukti batal terakhir diterima {time}. Yang batal sesudahnya belum diketahui.",
        "The list of void proofs last came {time}. What was voided since is not known here.",
    ),
    "found-proof-forged": ("BUKTI PALSU", "A FALSE PROOF"),
    "found-proof-forged-hint": (
        "Bukan tanda tangan kantor. Belum lunas; laporkan.",
        "Not the office's signature. Not paid; report it.",
    ),
    "found-voucher-good": ("VOUCHER", "VOUCHER"),
    "found-voucher-good-hint": (
        "Pilih kendaraan. Untuk satu kali parkir; sisa nilai tidak kembali.",
        "Choose the vehicle. For one stay; what is left over is not given back.",
    ),
    "found-voucher-used": ("SUDAH DIPAKAI", "USED BEFORE"),
    "found-voucher-used-hint": (
        "Voucher ini sudah dipakai {time} di {spot}.",
        "This voucher was used at {time} at {spot}.",
    ),
    "found-voucher-expired": ("MASA HABIS", "EXPIRED"),
    "found-voucher-expired-hint": (
        "Voucher ini tidak berlaku lagi.",
        "This voucher is no longer valid.",
    ),
    "found-voucher-void": ("DIBATALKAN KANTOR", "VOIDED BY THE OFFICE"),
    "found-voucher-void-hint": (
        "Hilang atau dicuri. Tahan kertasnya; laporkan.",
        "Lost or stolen. Keep the slip; report it.",
    ),
    "found-voucher-unknown-key": ("BELUM TERVERIFIKASI", "NOT VERIFIED"),
    "found-voucher-unknown-key-hint": (
        "Perangkat ini belum mengenal tanda tangannya. Periksa lagi saat tersambung.",
        "This device does not know its signature yet. Check again once connected.",
    ),
    "found-voucher-forged": ("VOUCHER PALSU", "A FALSE VOUCHER"),
    "found-voucher-forged-hint": (
        "Bukan tanda tangan kantor. Jangan diterima; laporkan.",
        "Not the office's signature. Do not take it; report it.",
    ),
    "found-pass-good": ("LANGGANAN BERLAKU", "A VALID PASS"),
    "found-pass-good-hint": (
        "Cocokkan pelatnya, lalu ketuk kendaraannya.",
        "Compare the plate, then tap the vehicle.",
    ),
    "found-pass-expired": ("LANGGANAN HABIS", "THE PASS HAS EXPIRED"),
    "found-pass-expired-hint": (
        "Tanggalnya sudah lewat. Tagih seperti biasa.",
        "Its last day is over. Collect as usual.",
    ),
    "found-pass-not-yet": ("BELUM BERLAKU", "NOT VALID YET"),
    "found-pass-not-yet-hint": (
        "Tanggal mulainya belum tiba. Tagih seperti biasa.",
        "Its first day has not come. Collect as usual.",
    ),
    "found-pass-other-zone": ("ZONA LAIN", "ANOTHER ZONE"),
    "found-pass-other-zone-hint": (
        "Langganan ini tidak untuk zona ini. Tagih seperti biasa.",
        "This pass is not for this zone. Collect as usual.",
    ),
    "found-pass-revoked": ("DICABUT KANTOR", "REVOKED BY THE OFFICE"),
    "found-pass-revoked-hint": (
        "Langganan ini dicabut. Tagih seperti biasa; laporkan.",
        "This pass was revoked. Collect as usual; report it.",
    ),
    "found-pass-unknown-key": ("BELUM TERVERIFIKASI", "NOT VERIFIED"),
    "found-pass-unknown-key-hint": (
        "Perangkat ini belum mengenal tanda tangannya. Periksa lagi saat tersambung.",
        "This device does not know its signature yet. Check again once connected.",
    ),
    "found-pass-forged": ("LANGGANAN PALSU", "A FALSE PASS"),
    "found-pass-forged-hint": (
        "Bukan tanda tangan kantor. Tagih seperti biasa; laporkan.",
        "Not the office's signature. Collect as usual; report it.",
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
        "Perangkat ini sudah terdaftar. Kode ini dapat memberinya kunci baru.",
        "This device is enrolled already. This code can give it a new key.",
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
    "what-pass": ("Langganan", "Pass"),
    "what-voucher": ("Voucher", "Voucher"),
    "what-card": ("Kartu juru parkir", "An attendant's card"),
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
    "what-unread": ("Kode tidak terbaca", "An unreadable code"),
    "what-unread-hint": ("Dekatkan agar terbaca", "Come nearer to read it"),
    "what-text": ("Tulisan biasa", "Plain text"),
    # Attendants' cards
    "card-scan": ("Pindai kartu", "Scan your card"),
    "card-without": ("Tanpa kartu", "Without a card"),
    "card-until": ("Berlaku sampai {date}", "Valid until {date}"),
    "card-valid": ("Kartu asli", "A genuine card"),
    "card-expired": ("Kartu kedaluwarsa", "The card has expired"),
    "card-expired-hint": ("Minta kartu baru ke kantor.", "Ask the office for a new card."),
    "card-revoked": ("Kartu dicabut", "The card was revoked"),
    "card-revoked-hint": (
        "Hilang, atau orangnya sudah berhenti. Hubungi koordinator.",
        "It was lost, or its owner has left. Call the coordinator.",
    ),
    "card-forged": ("Kartu palsu", "A false card"),
    "card-forged-hint": (
        "Kantor tidak membuat kartu ini. Hubungi koordinator.",
        "The office did not make this card. Call the coordinator.",
    ),
    "card-unknown-key": ("Kartu belum dapat diperiksa", "The card cannot be checked yet"),
    "card-unknown-key-hint": (
        "Perangkat ini belum punya kunci kantor. Ketik kodenya.",
        "This device has not the office's key yet. Type the code.",
    ),
    "card-none": ("Bukan kartu juru parkir", "Not an attendant's card"),
    "card-none-hint": (
        "Pindai kartu Anda, atau ketik kodenya.",
        "Scan your card, or type its code.",
    ),
    "card-duty-on": ("Sedang bertugas", "On duty now"),
    "card-duty-off": ("Tidak sedang bertugas", "Not on duty now"),
    "card-duty-unknown": (
        "Offline: hanya tanda tangan dan masa berlaku yang diperiksa",
        "Offline: only signature and last day were checked",
    ),
    # Practice
    "training": ("Latihan", "Practice"),
    "training-band": ("LATIHAN", "PRACTICE"),
    "training-leave": ("Selesai", "Leave"),
    "training-charge": (
        "Latihan: tidak ada uang, tidak ada karcis.",
        "Practice: no money, no receipt.",
    ),
    "training-say": ("Latihan. ", "Practice. "),
    "training-paid": ("Bayar", "Pay"),
    "training-expired": ("Habis", "Expire"),
    "training-refused": ("Batal", "Cancel"),
    # Pictures that cannot be read
    "picture-empty": ("Gambarnya kosong.", "The picture is empty."),
    "picture-too-large": ("Gambarnya terlalu besar.", "The picture is too large."),
    "picture-too-small": ("Gambarnya terlalu kecil.", "The picture is too small."),
    "picture-unreadable": (
        "Berkas ini bukan gambar yang dikenal.",
        "This file is not a picture that can be read.",
    ),
    "problem-title": ("Belum bisa", "Not possible now"),
    # Checks
    "checks": ("Periksa", "Check"),
    "checks-title": ("Periksa", "Check"),
    "check-menu": ("Periksa yang lain", "Other checks"),
    "check-vehicle": ("Periksa kendaraan", "Check a vehicle"),
    "check-vehicle-hint": ("Nomor polisi atau nomor karcis", "Plate or receipt number"),
    "check-vehicle-none-here": (
        "Pilih dulu titik tempat bertugas.",
        "First choose where you work.",
    ),
    "check-spot": ("Siapa di titik ini?", "Who is at this spot?"),
    "check-list-age": ("Daftar {age} yang lalu", "The list is {age} old"),
    "check-no-list": (
        "Belum ada daftar untuk jalan ini. Sambungkan sekali dulu.",
        "There is no list of this street yet. Connect once first.",
    ),
    "stay-pass": ("Langganan sampai {day}", "Pass until {day}"),
    "stay-live": ("MASIH BERLAKU", "STILL VALID"),
    "stay-just-expired": ("BARU HABIS", "JUST EXPIRED"),
    "stay-expired": ("SUDAH HABIS", "EXPIRED"),
    "stay-none": ("TIDAK TERCATAT", "NOT RECORDED"),
    "stay-none-hint": (
        "Tidak ada di daftar hari ini untuk jalan ini.",
        "Not in today's list of this street.",
    ),
    "stay-unknown": ("BELUM BISA DIPASTIKAN", "NOT CERTAIN YET"),
    "stay-unknown-hint": (
        "Daftar di alat ini belum memuatnya. Sudah tercatat; periksa lagi saat tersambung.",
        "The list on this device does not have it yet. Recorded; check again once connected.",
    ),
    "stay-expired-hint": (
        "Bukti ini asli, tetapi dari hari lain.",
        "This proof is genuine, but of another day.",
    ),
    "stay-forged": ("PALSU", "FALSE"),
    "stay-forged-hint": (
        "Karcis atau bukti ini bukan dari kantor. Sudah tercatat.",
        "This receipt or proof is not the office's. It is recorded.",
    ),
    "stay-void": ("TIDAK BERLAKU LAGI", "NO LONGER VALID"),
    "stay-void-hint": (
        "Uangnya sudah dikembalikan atau sedang dikembalikan.",
        "Its money went back, or is going back.",
    ),
    "stay-noticed": ("SUDAH ADA PEMBERITAHUAN", "NOTICE LEFT ALREADY"),
    "stay-noticed-hint": (
        "Pemberitahuan ini asli, dari alat kantor. Cocokkan isinya dengan kertasnya.",
        "This notice is genuine, of a device of the office. Compare it with the paper.",
    ),
    "notices": ("Pemberitahuan", "Notices"),
    "notices-none": ("Belum ada pemberitahuan.", "No notices yet."),
    "notice-make": ("Buat pemberitahuan", "Make a notice"),
    "notice-title": ("Pemberitahuan", "Notice"),
    "notice-draft": ("Belum terbit", "Not issued yet"),
    "notice-found-none": ("Belum ada pembayaran yang tercatat", "No payment is on record"),
    "notice-found-expired": ("Waktu parkir sudah habis", "The time paid for is over"),
    "notice-found-forged": ("Karcis atau bukti bayar palsu", "A false receipt or proof"),
    "notice-found-void": ("Uang parkirnya sudah dikembalikan", "The money of this stay went back"),
    "notice-since": ("sejak {time}", "since {time}"),
    "notice-aim": (
        "Foto nomor polisi dan tempatnya, tanpa wajah orang",
        "Show the plate and the place, no faces",
    ),
    "notice-shutter": ("Ambil foto", "Take a photo"),
    "notice-upload": ("Pilih foto", "Choose a photo"),
    "notice-more": ("Foto lagi", "Another photo"),
    "notice-photo": ("Foto {n}", "Photo {n}"),
    "notice-remove": ("Hapus foto {n}", "Delete photo {n}"),
    "notice-class": ("Jenis kendaraan", "Kind of vehicle"),
    "notice-plate": ("Nomor polisi (boleh kosong)", "Plate (may be left empty)"),
    "notice-issue": ("Terbitkan dan cetak", "Issue and print"),
    "notice-discard": ("Batal", "Cancel"),
    "notice-issued-state": ("TERBIT", "ISSUED"),
    "notice-amount": ("Tarif {amount}", "Tariff {amount}"),
    "notice-no-amount": ("Tarif menurut rambu", "Tariff as on the sign"),
    "notice-until": ("Keberatan sampai {day}", "May be objected to until {day}"),
    "notice-photos-kept": (
        "{n} foto di alat ini, menunggu dikirim",
        "{n} photos on this device, to be sent",
    ),
    "notice-photos-sent": ("{n} foto sudah di kantor", "{n} photos are at the office"),
    "notice-photos-refused": (
        "{n} foto ditahan: kantor menolaknya",
        "{n} photos held: the office refused them",
    ),
    "photo-failed": (
        "Foto belum tersimpan. Coba lagi, atau pilih foto.",
        "The photo was not kept. Try again, or choose one.",
    ),
    "stay-wrong": ("BUKAN KARCIS", "NO RECEIPT"),
    "stay-wrong-hint": (
        "Ini bukan nomor polisi, karcis, atau bukti bayar.",
        "This is no plate, receipt or proof of payment.",
    ),
    "stay-several": ("ADA BEBERAPA KODE", "SEVERAL CODES"),
    "stay-several-hint": (
        "Arahkan ke satu karcis saja.",
        "Point at one receipt only.",
    ),
    "stay-unread": ("TIDAK TERBACA", "NOT READ"),
    "stay-unread-hint": (
        "Dekatkan, tahan diam, hindari pantulan.",
        "Move closer, hold still, avoid glare.",
    ),
    "stay-until": ("sampai {time}", "until {time}"),
    "stay-no-end": ("sekali parkir, hari ini", "one stay, today"),
    "stay-paid": ("Lunas", "Paid"),
    "stay-unpaid": ("Dicatat petugas, tanpa bayar", "Recorded by an attendant, not paid"),
    "heads": ("Hitung kendaraan", "Count vehicles"),
    "heads-hint": (
        "Ketuk satu kali untuk setiap kendaraan yang parkir di jalan ini, selama 60 detik.",
        "Tap once for each vehicle parked in this street, for 60 seconds.",
    ),
    "heads-over": ("Waktu habis: kirim", "Time is up: send"),
    "heads-left": ("{n} detik lagi", "{n} seconds left"),
    "heads-undo": ("Batalkan satu", "Undo one"),
    "heads-done": ("Selesai, kirim", "Done, send"),
    "heads-sent": (
        "Hitungan tercatat: {n} kendaraan. Kantor membandingkannya.",
        "Recorded: {n} vehicles. The office compares.",
    ),
    "sign-invited": ("Giliran baru: tandanya asli?", "New shift: is the sign ours?"),
    "sign-look": ("Lihat tanda", "See the sign"),
    "sign-later": ("Nanti", "Later"),
    "check-sign": ("Periksa tanda", "Check a sign"),
    "check-sign-due": ("{n} tanda perlu diperiksa", "{n} signs are due"),
    "check-sign-none-due": ("Semua tanda sudah diperiksa", "All signs are checked"),
    "check-sign-where": ("Tanda di titik mana?", "The sign of which spot?"),
    "check-due": ("Perlu diperiksa", "Due"),
    "check-never": ("belum pernah diperiksa", "never checked"),
    "check-last": ("diperiksa {time}", "checked {time}"),
    "check-wrong": ("SALAH", "WRONG"),
    "check-again": ("Periksa lagi", "Check again"),
    "check-other": ("Tanda lain", "Another sign"),
    "check-missing": ("Hilang atau rusak", "Missing or broken"),
    "check-told": ("Tercatat. Kantor akan diberi tahu.", "Recorded. The office will be told."),
    "sign-genuine": ("ASLI", "GENUINE"),
    "sign-genuine-hint": ("Tanda ini benar untuk titik ini.", "This sign is right for this spot."),
    "sign-other-nmid": ("NMID LAIN", "OTHER NMID"),
    "sign-other-nmid-hint": (
        "Uang akan masuk ke {name} ({nmid}). Tutup kode ini dan laporkan.",
        "Money would go to {name} ({nmid}). Cover this code and report it.",
    ),
    "sign-same-name": ("NAMA SAMA, NMID LAIN", "SAME NAME, OTHER NMID"),
    "sign-same-name-hint": (
        "Namanya {name} seperti kita, tetapi NMID-nya {nmid}. Tutup kode ini dan laporkan.",
        "It is named {name} as we are, but its NMID is {nmid}. Cover this code and report it.",
    ),
    "sign-other-spot": ("TITIK LAIN", "ANOTHER SPOT"),
    "sign-other-spot-hint": (
        "Tanda ini milik titik lain. Kembalikan ke tempatnya.",
        "This sign belongs to another spot. Put it back in its place.",
    ),
    "sign-other-site": ("ALAMAT WEB LAIN", "OTHER WEB ADDRESS"),
    "sign-other-site-hint": (
        "Kode ini menuju {host}, bukan kantor. Jangan dibuka; tutup dan laporkan.",
        "This code leads to {host}, not to the office. Do not open it; cover it and report it.",
    ),
    "sign-crc": ("CRC BERUBAH", "CRC ALTERED"),
    "sign-crc-hint": (
        "Isi kode ini diubah atau rusak. Tutup dan laporkan.",
        "This code was altered or is damaged. Cover it and report it.",
    ),
    "sign-static": ("STATIS, SEHARUSNYA DINAMIS", "STATIC, SHOULD BE DYNAMIC"),
    "sign-static-hint": (
        "Di titik ini tidak boleh ada QRIS tempel. Kode pembayaran dibuat untuk tiap kendaraan.",
        "No QRIS may be posted at this spot. A code is made for each vehicle.",
    ),
    "sign-one-time": ("KODE SEKALI PAKAI", "A CODE FOR ONE PAYMENT"),
    "sign-one-time-hint": (
        "Kode untuk satu pembayaran ditempel di sini. Lepas dan laporkan.",
        "A code for one payment is posted here. Take it off and report it.",
    ),
    "sign-old": ("TANDA LAMA", "OLD SIGN"),
    "sign-old-hint": (
        "Tanda ini sudah diganti. Lepas, dan minta yang baru.",
        "This sign was replaced. Take it off and ask for the new one.",
    ),
    "sign-other-data": ("ISI TIDAK COCOK", "NOT AS REGISTERED"),
    "sign-other-data-hint": (
        "Rekening, nama, jenis usaha atau jumlahnya lain dari yang terdaftar. Laporkan.",
        "Its account, name, kind or amount is not the registered one. Report it.",
    ),
    "sign-not-a-sign": ("BUKAN TANDA KITA", "NOT OUR SIGN"),
    "sign-not-a-sign-hint": (
        "Kode ini bukan tanda parkir. Tutup dan laporkan.",
        "This code is no parking sign. Cover it and report it.",
    ),
    "sign-forged": ("TANDA PALSU", "FORGED SIGN"),
    "sign-forged-hint": (
        "Isi tanda ini bukan yang ditandatangani kantor. Tutup dan laporkan.",
        "The office did not sign what this sign says. Cover it and report it.",
    ),
    "sign-other-key": ("KUNCI TIDAK DIKENAL", "UNKNOWN KEY"),
    "sign-other-key-hint": (
        "Alat ini tidak mengenal tanda tangan pada tanda ini. Sambungkan alat dan periksa lagi; "
        "bila tetap merah, tutup dan laporkan.",
        "This device does not know the signature on this sign. Connect it and check again; if it "
        "stays red, cover the sign and report it.",
    ),
    "sign-unsigned": ("TANPA TANDA TANGAN", "NOT SIGNED"),
    "sign-unsigned-hint": (
        "Alamatnya benar, tetapi ini bukan tanda cetakan kantor. Laporkan dan minta yang asli.",
        "The address is right, but the office did not print this. Report it, ask for a real one.",
    ),
    "sign-newer": ("BELUM DIKENAL ALAT INI", "NOT KNOWN HERE YET"),
    "sign-newer-hint": (
        "Tanda ini lebih baru dari daftar di alat ini. Sambungkan alat dan periksa lagi.",
        "This sign is newer than the list on this device. Connect it and check again.",
    ),
    "sign-missing": ("TANDA TIDAK ADA", "NO SIGN"),
    "sign-missing-hint": ("Minta tanda baru ke kantor.", "Ask the office for a new sign."),
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


def time_left(seconds: int, language: str) -> str:
    """Hours and minutes, and seconds in the last minute: never more than there is."""
    if seconds < 3600:
        return age(seconds, language)
    return text("hours-minutes", language, hours=seconds // 3600, minutes=seconds % 3600 // 60)


def age(seconds: int, language: str) -> str:
    """How long ago, in the largest whole unit."""
    if seconds < 60:
        return text("seconds", language, n=seconds)
    if seconds < 3600:
        return text("minutes", language, n=seconds // 60)
    return text("hours", language, n=seconds // 3600)
