"""The texts of links' pages in German."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Ihre Antwort",
    "Error: {title}": "Fehler: {title}",
    "(optional)": "(freiwillig)",
    "You can close this page.": "Sie können diese Seite schließen.",
    "Your answer was not sent yet": "Ihre Antwort wurde noch nicht gesendet",
    "If you have questions, please contact {organisation}.": "Wenn Sie Fragen haben, wenden Sie sich bitte an {organisation}.",
    "You can always answer our message itself.": "Sie können jederzeit einfach auf unsere Nachricht antworten.",
    "You can always sign in and decide there.": "Sie können sich jederzeit anmelden und dort entscheiden.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "Dieser Link ist nicht von uns. Vielleicht wurde er abgeschnitten: Bitte kopieren Sie ihn vollständig aus unserer Nachricht."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Von Ihrem Anschluss kamen zu viele ungültige Links. Bitte versuchen Sie es später noch einmal."
    ),
    "We cannot take your answer just now. Please try again later.": (
        "Wir können Ihre Antwort gerade nicht annehmen. Bitte versuchen Sie es später noch einmal."
    ),
    "This link is no longer valid.": "Dieser Link ist nicht mehr gültig.",
    "This link is too old to be used.": "Dieser Link ist abgelaufen.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Dieser Link wurde bereits benutzt ({day}) und funktioniert nur einmal. Ihre Antwort liegt uns vor; es ist nichts weiter zu tun."
    ),
    "Nothing can be answered by this link any more.": "Mit diesem Link lässt sich nichts mehr beantworten.",
    "Nothing of this waits for your answer any more.": "Hier wartet nichts mehr auf Ihre Antwort.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "Wir haben Ihnen inzwischen eine neuere Antwort geschickt. Bitte benutzen Sie den Link in unserer letzten Nachricht."
    ),
    "Case {number}: {title}": "Vorgang {number}: {title}",
    "Lead {number}: {title}": "Lead {number}: {title}",
    "Task: {task}": "Aufgabe: {task}",
    "Do you accept our response?": "Sind Sie mit unserer Antwort einverstanden?",
    "Do you accept our temporary resolution?": "Sind Sie mit unserer vorläufigen Lösung einverstanden?",
    "Do you accept our final resolution?": "Sind Sie mit unserer endgültigen Lösung einverstanden?",
    "This is our response:": "Das ist unsere Antwort:",
    "This is our temporary resolution:": "Das ist unsere vorläufige Lösung:",
    "This is our final resolution:": "Das ist unsere endgültige Lösung:",
    "(see our message)": "(siehe unsere Nachricht)",
    "I accept": "Ich bin einverstanden",
    "I do not accept": "Ich bin nicht einverstanden",
    "Do you want to tell us why, or anything else?": "Möchten Sie uns sagen, warum, oder etwas anderes?",
    "Please press one of the two buttons.": "Bitte drücken Sie einen der beiden Knöpfe.",
    "This is longer than {most} characters.": "Das ist länger als {most} Zeichen.",
    "Thank you. We have recorded that you accept.": "Vielen Dank. Wir haben festgehalten, dass Sie einverstanden sind.",
    "Thank you. We will look at it again.": "Vielen Dank. Wir sehen es uns noch einmal an.",
    "Send": "Senden",
    "Thank you. We have your feedback.": "Vielen Dank. Ihre Rückmeldung ist bei uns angekommen.",
    "There is no such question.": "Diese Frage gibt es nicht.",
    "Please choose one.": "Bitte wählen Sie eine Antwort.",
    "Please choose one from 1 to {best}.": "Bitte wählen Sie eine Antwort von 1 bis {best}.",
    "Please write something.": "Bitte schreiben Sie etwas.",
    "Please answer at least one question.": "Bitte beantworten Sie mindestens eine Frage.",
    "Do you approve this?": "Genehmigen Sie das?",
    "Approve": "Genehmigen",
    "Decline": "Ablehnen",
    "Why? Declining needs a reason.": "Warum? Eine Ablehnung braucht einen Grund.",
    "Please say why you decline.": "Bitte sagen Sie, warum Sie ablehnen.",
    "You are asked since {day}.": "Sie werden gefragt seit: {day}.",
    "{who} asks you since {day}.": "{who} fragt Sie seit: {day}.",
    "{who} handed it to you on {day}.": "{who} hat es an Sie weitergegeben: {day}.",
    "Thank you. You have approved it.": "Vielen Dank. Sie haben es genehmigt.",
    "Thank you. You have declined it.": "Vielen Dank. Sie haben es abgelehnt.",
    "You approved this on {day}; there is nothing more to do.": "Sie haben das bereits genehmigt ({day}); es ist nichts weiter zu tun.",
    "You declined this on {day}; there is nothing more to do.": "Sie haben das bereits abgelehnt ({day}); es ist nichts weiter zu tun.",
    "{who} approved this on {day}; there is nothing more to do.": "{who} hat das bereits genehmigt ({day}); es ist nichts weiter zu tun.",
    "{who} declined this on {day}; there is nothing more to do.": "{who} hat das bereits abgelehnt ({day}); es ist nichts weiter zu tun.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Das wurde zurückgezogen ({day}): Niemand wartet mehr darauf.",
    "This was handed to {who} on {day}.": "Das wurde an {who} weitergegeben ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "Sie wurden inzwischen neu gefragt. Bitte benutzen Sie den Link in unserer letzten Nachricht."
    ),
    "There is nothing to be decided by this link any more.": "Mit diesem Link ist nichts mehr zu entscheiden.",
}
