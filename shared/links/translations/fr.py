"""The texts of links' pages in French."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Votre réponse",
    "Error: {title}": "Erreur : {title}",
    "(optional)": "(facultatif)",
    "You can close this page.": "Vous pouvez fermer cette page.",
    "Your answer was not sent yet": "Votre réponse n’a pas encore été envoyée",
    "If you have questions, please contact {organisation}.": "Si vous avez des questions, veuillez contacter {organisation}.",
    "You can always answer our message itself.": "Vous pouvez toujours répondre simplement à notre message.",
    "You can always sign in and decide there.": "Vous pouvez toujours vous connecter et décider là-bas.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "Ce lien n’est pas l’un des nôtres. Il a peut-être été coupé : copiez-le en entier depuis notre message."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Trop de liens inexistants sont venus de votre connexion. Veuillez réessayer plus tard."
    ),
    "We cannot take your answer just now. Please try again later.": (
        "Nous ne pouvons pas recevoir votre réponse pour le moment. Veuillez réessayer plus tard."
    ),
    "This link is no longer valid.": "Ce lien n’est plus valable.",
    "This link is too old to be used.": "Ce lien a expiré.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Ce lien a été utilisé ({day}) et ne fonctionne qu’une fois. Nous avons votre réponse ; vous n’avez plus rien à faire."
    ),
    "Nothing can be answered by this link any more.": "Ce lien ne permet plus de répondre.",
    "Nothing of this waits for your answer any more.": "Plus rien ici n’attend votre réponse.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "Nous vous avons envoyé depuis une réponse plus récente. Veuillez utiliser le lien de notre dernier message."
    ),
    "Case {number}: {title}": "Dossier {number} : {title}",
    "Lead {number}: {title}": "Piste {number} : {title}",
    "Task: {task}": "Tâche : {task}",
    "Do you accept our response?": "Acceptez-vous notre réponse ?",
    "Do you accept our temporary resolution?": "Acceptez-vous notre solution provisoire ?",
    "Do you accept our final resolution?": "Acceptez-vous notre solution définitive ?",
    "This is our response:": "Voici notre réponse :",
    "This is our temporary resolution:": "Voici notre solution provisoire :",
    "This is our final resolution:": "Voici notre solution définitive :",
    "(see our message)": "(voir notre message)",
    "I accept": "J’accepte",
    "I do not accept": "Je n’accepte pas",
    "Do you want to tell us why, or anything else?": "Voulez-vous nous dire pourquoi, ou autre chose ?",
    "Please press one of the two buttons.": "Veuillez appuyer sur l’un des deux boutons.",
    "This is longer than {most} characters.": "Ce texte dépasse {most} caractères.",
    "Thank you. We have recorded that you accept.": "Merci. Nous avons noté que vous acceptez.",
    "Thank you. We will look at it again.": "Merci. Nous allons revoir la question.",
    "Send": "Envoyer",
    "Thank you. We have your feedback.": "Merci. Nous avons bien reçu votre avis.",
    "There is no such question.": "Cette question n’existe pas.",
    "Please choose one.": "Veuillez choisir une réponse.",
    "Please choose one from 1 to {best}.": "Veuillez choisir une réponse de 1 à {best}.",
    "Please write something.": "Veuillez écrire quelque chose.",
    "Please answer at least one question.": "Veuillez répondre à au moins une question.",
    "Do you approve this?": "Approuvez-vous ceci ?",
    "Approve": "Approuver",
    "Decline": "Refuser",
    "Why? Declining needs a reason.": "Pourquoi ? Un refus doit être motivé.",
    "Please say why you decline.": "Veuillez dire pourquoi vous refusez.",
    "You are asked since {day}.": "On vous le demande depuis : {day}.",
    "{who} asks you since {day}.": "{who} vous le demande depuis : {day}.",
    "{who} handed it to you on {day}.": "{who} vous l’a transmis : {day}.",
    "Thank you. You have approved it.": "Merci. Vous l’avez approuvé.",
    "Thank you. You have declined it.": "Merci. Vous l’avez refusé.",
    "You approved this on {day}; there is nothing more to do.": "Vous avez déjà approuvé ceci ({day}) ; il n’y a plus rien à faire.",
    "You declined this on {day}; there is nothing more to do.": "Vous avez déjà refusé ceci ({day}) ; il n’y a plus rien à faire.",
    "{who} approved this on {day}; there is nothing more to do.": "Déjà approuvé par {who} ({day}) ; il n’y a plus rien à faire.",
    "{who} declined this on {day}; there is nothing more to do.": "Déjà refusé par {who} ({day}) ; il n’y a plus rien à faire.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Cette demande a été retirée ({day}) : plus personne ne l’attend.",
    "This was handed to {who} on {day}.": "Cette demande a été transmise à {who} ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "La demande vous a été faite de nouveau depuis. Veuillez utiliser le lien de notre dernier message."
    ),
    "There is nothing to be decided by this link any more.": "Il n’y a plus rien à décider par ce lien.",
}
