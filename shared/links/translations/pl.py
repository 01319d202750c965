"""The texts of links' pages in Polish."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Twoja odpowiedź",
    "Error: {title}": "Błąd: {title}",
    "(optional)": "(nieobowiązkowe)",
    "You can close this page.": "Możesz zamknąć tę stronę.",
    "Your answer was not sent yet": "Twoja odpowiedź nie została jeszcze wysłana",
    "If you have questions, please contact {organisation}.": "W razie pytań prosimy o kontakt: {organisation}.",
    "You can always answer our message itself.": "Zawsze możesz po prostu odpowiedzieć na naszą wiadomość.",
    "You can always sign in and decide there.": "Zawsze możesz się zalogować i tam podjąć decyzję.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "To nie jest nasz link. Być może został ucięty: skopiuj go w całości z naszej wiadomości."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Z Twojego połączenia przyszło zbyt wiele nieistniejących linków. Spróbuj ponownie później."
    ),
    "We cannot take your answer just now. Please try again later.": (
        "Nie możemy teraz przyjąć Twojej odpowiedzi. Spróbuj ponownie później."
    ),
    "This link is no longer valid.": "Ten link nie jest już ważny.",
    "This link is too old to be used.": "Ten link wygasł.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Ten link został już użyty ({day}), a działa tylko raz. Mamy Twoją odpowiedź; nie musisz nic więcej robić."
    ),
    "Nothing can be answered by this link any more.": "Za pomocą tego linku nie można już odpowiedzieć.",
    "Nothing of this waits for your answer any more.": "Nic tutaj nie czeka już na Twoją odpowiedź.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "Od tego czasu wysłaliśmy Ci nowszą odpowiedź. Użyj linku z naszej ostatniej wiadomości."
    ),
    "Case {number}: {title}": "Sprawa {number}: {title}",
    "Lead {number}: {title}": "Potencjalny klient {number}: {title}",
    "Task: {task}": "Zadanie: {task}",
    "Do you accept our response?": "Czy akceptujesz naszą odpowiedź?",
    "Do you accept our temporary resolution?": "Czy akceptujesz nasze rozwiązanie tymczasowe?",
    "Do you accept our final resolution?": "Czy akceptujesz nasze rozwiązanie ostateczne?",
    "This is our response:": "Oto nasza odpowiedź:",
    "This is our temporary resolution:": "Oto nasze rozwiązanie tymczasowe:",
    "This is our final resolution:": "Oto nasze rozwiązanie ostateczne:",
    "(see our message)": "(zobacz naszą wiadomość)",
    "I accept": "Akceptuję",
    "I do not accept": "Nie akceptuję",
    "Do you want to tell us why, or anything else?": "Czy chcesz nam powiedzieć dlaczego lub coś dodać?",
    "Please press one of the two buttons.": "Naciśnij jeden z dwóch przycisków.",
    "This is longer than {most} characters.": "Ten tekst przekracza limit znaków: {most}.",
    "Thank you. We have recorded that you accept.": "Dziękujemy. Zapisaliśmy, że akceptujesz.",
    "Thank you. We will look at it again.": "Dziękujemy. Przyjrzymy się temu jeszcze raz.",
    "Send": "Wyślij",
    "Thank you. We have your feedback.": "Dziękujemy. Otrzymaliśmy Twoją opinię.",
    "There is no such question.": "Nie ma takiego pytania.",
    "Please choose one.": "Wybierz odpowiedź.",
    "Please choose one from 1 to {best}.": "Wybierz odpowiedź od 1 do {best}.",
    "Please write something.": "Napisz coś.",
    "Please answer at least one question.": "Odpowiedz przynajmniej na jedno pytanie.",
    "Do you approve this?": "Czy to zatwierdzasz?",
    "Approve": "Zatwierdź",
    "Decline": "Odrzuć",
    "Why? Declining needs a reason.": "Dlaczego? Odrzucenie wymaga uzasadnienia.",
    "Please say why you decline.": "Napisz, dlaczego odrzucasz.",
    "You are asked since {day}.": "Oczekuje na Twoją decyzję od: {day}.",
    "{who} asks you since {day}.": "Prosi Cię o to {who}, od: {day}.",
    "{who} handed it to you on {day}.": "Przekazał(a) Ci to {who}: {day}.",
    "Thank you. You have approved it.": "Dziękujemy. Sprawa została zatwierdzona.",
    "Thank you. You have declined it.": "Dziękujemy. Sprawa została odrzucona.",
    "You approved this on {day}; there is nothing more to do.": "Już to zatwierdzono przez Ciebie ({day}); nie trzeba nic więcej robić.",
    "You declined this on {day}; there is nothing more to do.": "Już to odrzucono przez Ciebie ({day}); nie trzeba nic więcej robić.",
    "{who} approved this on {day}; there is nothing more to do.": "Już zatwierdzono ({who}, {day}); nie trzeba nic więcej robić.",
    "{who} declined this on {day}; there is nothing more to do.": "Już odrzucono ({who}, {day}); nie trzeba nic więcej robić.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Prośba została wycofana ({day}): nikt już na to nie czeka.",
    "This was handed to {who} on {day}.": "Prośbę przekazano dalej: {who} ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "Od tego czasu poproszono Cię ponownie. Użyj linku z naszej ostatniej wiadomości."
    ),
    "There is nothing to be decided by this link any more.": "Ten link nie służy już do podjęcia żadnej decyzji.",
}
