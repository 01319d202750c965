"""The texts of links' pages in Dutch."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Uw antwoord",
    "Error: {title}": "Fout: {title}",
    "(optional)": "(niet verplicht)",
    "You can close this page.": "U kunt deze pagina sluiten.",
    "Your answer was not sent yet": "Uw antwoord is nog niet verstuurd",
    "If you have questions, please contact {organisation}.": "Hebt u vragen, neem dan contact op met {organisation}.",
    "You can always answer our message itself.": "U kunt ook altijd gewoon op ons bericht antwoorden.",
    "You can always sign in and decide there.": "U kunt ook altijd inloggen en daar beslissen.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "Deze link is niet van ons. Misschien is hij afgebroken: kopieer hem helemaal uit ons bericht."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Vanaf uw verbinding kwamen te veel links die niet bestaan. Probeer het later nog eens."
    ),
    "We cannot take your answer just now. Please try again later.": "We kunnen uw antwoord nu niet aannemen. Probeer het later nog eens.",
    "This link is no longer valid.": "Deze link is niet meer geldig.",
    "This link is too old to be used.": "Deze link is verlopen.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Deze link is gebruikt op {day} en werkt één keer. We hebben uw antwoord; u hoeft niets meer te doen."
    ),
    "Nothing can be answered by this link any more.": "Met deze link kan niets meer worden beantwoord.",
    "Nothing of this waits for your answer any more.": "Hiervan wacht niets meer op uw antwoord.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "We hebben u sindsdien een nieuwer antwoord gestuurd. Gebruik de link in ons laatste bericht."
    ),
    "Case {number}: {title}": "Zaak {number}: {title}",
    "Lead {number}: {title}": "Lead {number}: {title}",
    "Task: {task}": "Taak: {task}",
    "Do you accept our response?": "Gaat u akkoord met ons antwoord?",
    "Do you accept our temporary resolution?": "Gaat u akkoord met onze tijdelijke oplossing?",
    "Do you accept our final resolution?": "Gaat u akkoord met onze definitieve oplossing?",
    "This is our response:": "Dit is ons antwoord:",
    "This is our temporary resolution:": "Dit is onze tijdelijke oplossing:",
    "This is our final resolution:": "Dit is onze definitieve oplossing:",
    "(see our message)": "(zie ons bericht)",
    "I accept": "Ik ga akkoord",
    "I do not accept": "Ik ga niet akkoord",
    "Do you want to tell us why, or anything else?": "Wilt u ons vertellen waarom, of iets anders?",
    "Please press one of the two buttons.": "Druk op een van de twee knoppen.",
    "This is longer than {most} characters.": "Dit is langer dan {most} tekens.",
    "Thank you. We have recorded that you accept.": "Dank u wel. We hebben vastgelegd dat u akkoord gaat.",
    "Thank you. We will look at it again.": "Dank u wel. We kijken er nog eens naar.",
    "Send": "Versturen",
    "Thank you. We have your feedback.": "Dank u wel. We hebben uw mening ontvangen.",
    "There is no such question.": "Deze vraag is er niet.",
    "Please choose one.": "Kies een antwoord.",
    "Please choose one from 1 to {best}.": "Kies een antwoord van 1 tot en met {best}.",
    "Please write something.": "Schrijf iets.",
    "Please answer at least one question.": "Beantwoord minstens één vraag.",
    "Do you approve this?": "Keurt u dit goed?",
    "Approve": "Goedkeuren",
    "Decline": "Afwijzen",
    "Why? Declining needs a reason.": "Waarom? Voor afwijzen is een reden nodig.",
    "Please say why you decline.": "Vertel waarom u het afwijst.",
    "You are asked since {day}.": "Dit wordt u gevraagd sinds {day}.",
    "{who} asks you since {day}.": "{who} vraagt u dit sinds {day}.",
    "{who} handed it to you on {day}.": "{who} heeft dit op {day} aan u doorgegeven.",
    "Thank you. You have approved it.": "Dank u wel. U hebt het goedgekeurd.",
    "Thank you. You have declined it.": "Dank u wel. U hebt het afgewezen.",
    "You approved this on {day}; there is nothing more to do.": "U hebt dit goedgekeurd op {day}; u hoeft niets meer te doen.",
    "You declined this on {day}; there is nothing more to do.": "U hebt dit afgewezen op {day}; u hoeft niets meer te doen.",
    "{who} approved this on {day}; there is nothing more to do.": "{who} heeft dit goedgekeurd op {day}; u hoeft niets meer te doen.",
    "{who} declined this on {day}; there is nothing more to do.": "{who} heeft dit afgewezen op {day}; u hoeft niets meer te doen.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Dit is ingetrokken op {day}: niemand wacht er meer op.",
    "This was handed to {who} on {day}.": "Dit is op {day} doorgegeven aan {who}.",
    "You were asked anew since. Please use the link in our latest message.": (
        "Het is u sindsdien opnieuw gevraagd. Gebruik de link in ons laatste bericht."
    ),
    "There is nothing to be decided by this link any more.": "Met deze link valt niets meer te beslissen.",
}
