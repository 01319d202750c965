"""The texts of links' pages in Spanish."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "Su respuesta",
    "Error: {title}": "Error: {title}",
    "(optional)": "(opcional)",
    "You can close this page.": "Puede cerrar esta página.",
    "Your answer was not sent yet": "Su respuesta aún no se ha enviado",
    "If you have questions, please contact {organisation}.": "Si tiene preguntas, póngase en contacto con {organisation}.",
    "You can always answer our message itself.": "Siempre puede responder directamente a nuestro mensaje.",
    "You can always sign in and decide there.": "Siempre puede iniciar sesión y decidir allí.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "Este enlace no es nuestro. Quizá esté cortado: cópielo entero de nuestro mensaje."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "Han llegado demasiados enlaces inexistentes desde su conexión. Inténtelo más tarde."
    ),
    "We cannot take your answer just now. Please try again later.": "Ahora mismo no podemos recibir su respuesta. Inténtelo más tarde.",
    "This link is no longer valid.": "Este enlace ya no es válido.",
    "This link is too old to be used.": "Este enlace ha caducado.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "Este enlace ya se utilizó ({day}) y solo funciona una vez. Tenemos su respuesta; no tiene que hacer nada más."
    ),
    "Nothing can be answered by this link any more.": "Con este enlace ya no se puede responder.",
    "Nothing of this waits for your answer any more.": "Ya no hay nada aquí que espere su respuesta.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "Desde entonces le hemos enviado una respuesta más reciente. Utilice el enlace de nuestro último mensaje."
    ),
    "Case {number}: {title}": "Caso {number}: {title}",
    "Lead {number}: {title}": "Cliente potencial {number}: {title}",
    "Task: {task}": "Tarea: {task}",
    "Do you accept our response?": "¿Acepta nuestra respuesta?",
    "Do you accept our temporary resolution?": "¿Acepta nuestra solución provisional?",
    "Do you accept our final resolution?": "¿Acepta nuestra solución definitiva?",
    "This is our response:": "Esta es nuestra respuesta:",
    "This is our temporary resolution:": "Esta es nuestra solución provisional:",
    "This is our final resolution:": "Esta es nuestra solución definitiva:",
    "(see our message)": "(vea nuestro mensaje)",
    "I accept": "Acepto",
    "I do not accept": "No acepto",
    "Do you want to tell us why, or anything else?": "¿Quiere decirnos por qué, o alguna otra cosa?",
    "Please press one of the two buttons.": "Pulse uno de los dos botones.",
    "This is longer than {most} characters.": "Este texto supera los {most} caracteres.",
    "Thank you. We have recorded that you accept.": "Gracias. Hemos anotado que acepta.",
    "Thank you. We will look at it again.": "Gracias. Lo revisaremos de nuevo.",
    "Send": "Enviar",
    "Thank you. We have your feedback.": "Gracias. Hemos recibido su opinión.",
    "There is no such question.": "Esa pregunta no existe.",
    "Please choose one.": "Elija una respuesta.",
    "Please choose one from 1 to {best}.": "Elija una respuesta del 1 al {best}.",
    "Please write something.": "Escriba algo.",
    "Please answer at least one question.": "Responda al menos a una pregunta.",
    "Do you approve this?": "¿Aprueba esto?",
    "Approve": "Aprobar",
    "Decline": "Rechazar",
    "Why? Declining needs a reason.": "¿Por qué? Para rechazar hace falta un motivo.",
    "Please say why you decline.": "Diga por qué lo rechaza.",
    "You are asked since {day}.": "Se le pide desde: {day}.",
    "{who} asks you since {day}.": "{who} se lo pide desde: {day}.",
    "{who} handed it to you on {day}.": "{who} se lo ha pasado: {day}.",
    "Thank you. You have approved it.": "Gracias. Lo ha aprobado.",
    "Thank you. You have declined it.": "Gracias. Lo ha rechazado.",
    "You approved this on {day}; there is nothing more to do.": "Usted ya lo aprobó ({day}); no hay nada más que hacer.",
    "You declined this on {day}; there is nothing more to do.": "Usted ya lo rechazó ({day}); no hay nada más que hacer.",
    "{who} approved this on {day}; there is nothing more to do.": "{who} ya lo aprobó ({day}); no hay nada más que hacer.",
    "{who} declined this on {day}; there is nothing more to do.": "{who} ya lo rechazó ({day}); no hay nada más que hacer.",
    "This was withdrawn on {day}: nobody waits for it any more.": "Esto se retiró ({day}): ya nadie lo espera.",
    "This was handed to {who} on {day}.": "Esto se pasó a {who} ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "Se le ha vuelto a pedir desde entonces. Utilice el enlace de nuestro último mensaje."
    ),
    "There is nothing to be decided by this link any more.": "Con este enlace ya no hay nada que decidir.",
}
