"""The texts of links' pages in Turkish."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Yanıtınız",
    "Error: {title}": "Hata: {title}",
    "(optional)": "(isteğe bağlı)",
    "You can close this page.": "Bu sayfayı kapatabilirsiniz.",
    "Your answer was not sent yet": "Yanıtınız henüz gönderilmedi",
    "If you have questions, please contact {organisation}.": "Sorularınız varsa lütfen {organisation} ile iletişime geçin.",
    "You can always answer our message itself.": "Dilediğiniz zaman doğrudan iletimize yanıt verebilirsiniz.",
    "You can always sign in and decide there.": "Dilediğiniz zaman oturum açıp orada karar verebilirsiniz.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "Bu bağlantı bize ait değil. Eksik kopyalanmış olabilir: lütfen iletimizden tamamını kopyalayın."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Bağlantınızdan çok sayıda geçersiz adres geldi. Lütfen daha sonra yeniden deneyin."
    ),
    "We cannot take your answer just now. Please try again later.": "Yanıtınızı şu anda alamıyoruz. Lütfen daha sonra yeniden deneyin.",
    "This link is no longer valid.": "Bu bağlantı artık geçerli değil.",
    "This link is too old to be used.": "Bu bağlantının süresi dolmuş.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Bu bağlantı kullanıldı ({day}) ve yalnızca bir kez çalışır. Yanıtınız bizde; yapmanız gereken başka bir şey yok."
    ),
    "Nothing can be answered by this link any more.": "Bu bağlantıyla artık yanıt verilemez.",
    "Nothing of this waits for your answer any more.": "Burada yanıtınızı bekleyen bir şey kalmadı.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "O zamandan beri size daha yeni bir yanıt gönderdik. Lütfen son iletimizdeki bağlantıyı kullanın."
    ),
    "Case {number}: {title}": "Dosya {number}: {title}",
    "Lead {number}: {title}": "Olası müşteri {number}: {title}",
    "Task: {task}": "Görev: {task}",
    "Do you accept our response?": "Yanıtımızı kabul ediyor musunuz?",
    "Do you accept our temporary resolution?": "Geçici çözümümüzü kabul ediyor musunuz?",
    "Do you accept our final resolution?": "Kesin çözümümüzü kabul ediyor musunuz?",
    "This is our response:": "Yanıtımız şudur:",
    "This is our temporary resolution:": "Geçici çözümümüz şudur:",
    "This is our final resolution:": "Kesin çözümümüz şudur:",
    "(see our message)": "(iletimize bakın)",
    "I accept": "Kabul ediyorum",
    "I do not accept": "Kabul etmiyorum",
    "Do you want to tell us why, or anything else?": "Bize nedenini ya da başka bir şey söylemek ister misiniz?",
    "Please press one of the two buttons.": "Lütfen iki düğmeden birine basın.",
    "This is longer than {most} characters.": "Bu metin {most} karakterden uzun.",
    "Thank you. We have recorded that you accept.": "Teşekkürler. Kabul ettiğinizi kaydettik.",
    "Thank you. We will look at it again.": "Teşekkürler. Konuyu yeniden ele alacağız.",
    "Send": "Gönder",
    "Thank you. We have your feedback.": "Teşekkürler. Görüşünüzü aldık.",
    "There is no such question.": "Böyle bir soru yok.",
    "Please choose one.": "Lütfen birini seçin.",
    "Please choose one from 1 to {best}.": "Lütfen 1 ile {best} arasında birini seçin.",
    "Please write something.": "Lütfen bir şey yazın.",
    "Please answer at least one question.": "Lütfen en az bir soruyu yanıtlayın.",
    "Do you approve this?": "Bunu onaylıyor musunuz?",
    "Approve": "Onayla",
    "Decline": "Reddet",
    "Why? Declining needs a reason.": "Neden? Reddetmek için bir gerekçe gerekir.",
    "Please say why you decline.": "Lütfen neden reddettiğinizi yazın.",
    "You are asked since {day}.": "Onayınız bekleniyor, şu tarihten beri: {day}.",
    "{who} asks you since {day}.": "{who} onayınızı bekliyor, şu tarihten beri: {day}.",
    "{who} handed it to you on {day}.": "{who} bunu size devretti: {day}.",
    "Thank you. You have approved it.": "Teşekkürler. Onayladınız.",
    "Thank you. You have declined it.": "Teşekkürler. Reddettiniz.",
    "You approved this on {day}; there is nothing more to do.": "Bunu zaten onayladınız ({day}); yapılacak başka bir şey yok.",
    "You declined this on {day}; there is nothing more to do.": "Bunu zaten reddettiniz ({day}); yapılacak başka bir şey yok.",
    "{who} approved this on {day}; there is nothing more to do.": "{who} bunu zaten onayladı ({day}); yapılacak başka bir şey yok.",
    "{who} declined this on {day}; there is nothing more to do.": "{who} bunu zaten reddetti ({day}); yapılacak başka bir şey yok.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Bu istek geri çekildi ({day}): artık kimse beklemiyor.",
    "This was handed to {who} on {day}.": "Bu istek devredildi: {who} ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "O zamandan beri size yeniden soruldu. Lütfen son iletimizdeki bağlantıyı kullanın."
    ),
    "There is nothing to be decided by this link any more.": "Bu bağlantıyla karar verilecek bir şey kalmadı.",
}
