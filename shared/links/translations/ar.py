"""The texts of links' pages in Arabic."""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "Your answer": "إجابتك",
    "Error: {title}": "خطأ: {title}",
    "(optional)": "(اختياري)",
    "You can close this page.": "يمكنك إغلاق هذه الصفحة.",
    "Your answer was not sent yet": "لم تُرسَل إجابتك بعد",
    "If you have questions, please contact {organisation}.": "إذا كانت لديك أسئلة فيُرجى التواصل مع {organisation}.",
    "You can always answer our message itself.": "يمكنك دائمًا الرد على رسالتنا نفسها.",
    "You can always sign in and decide there.": "يمكنك دائمًا تسجيل الدخول واتخاذ القرار هناك.",
    "This link is not one of ours. Perhaps it was cut off: please copy all of it from our message.": (
        "هذا الرابط ليس من روابطنا. ربما كان ناقصًا: يُرجى نسخه كاملًا من رسالتنا."
    ),
    "Too many links that are none came from your connection. Please try again later.": (
        "وردت من اتصالك روابط كثيرة غير موجودة. يُرجى المحاولة لاحقًا."
    ),
    "We cannot take your answer just now. Please try again later.": "لا يمكننا استلام إجابتك الآن. يُرجى المحاولة لاحقًا.",
    "This link is no longer valid.": "لم يعد هذا الرابط صالحًا.",
    "This link is too old to be used.": "انتهت مدة هذا الرابط.",
    "This link was used on {day}, and works once. We have your answer; there is nothing more to do.": (
        "استُخدم هذا الرابط ({day}) وهو يعمل مرة واحدة فقط. إجابتك لدينا، ولا يلزمك فعل شيء آخر."
    ),
    "Nothing can be answered by this link any more.": "لم يعد بالإمكان الإجابة بهذا الرابط.",
    "Nothing of this waits for your answer any more.": "لم يعد هناك ما ينتظر إجابتك.",
    "We have sent you a newer answer since. Please use the link in our latest message.": (
        "أرسلنا إليك منذ ذلك الحين ردًا أحدث. يُرجى استخدام الرابط الوارد في رسالتنا الأخيرة."
    ),
    "Case {number}: {title}": "القضية {number}: {title}",
    "Lead {number}: {title}": "العميل المحتمل {number}: {title}",
    "Task: {task}": "المهمة: {task}",
    "Do you accept our response?": "هل تقبل ردنا؟",
    "Do you accept our temporary resolution?": "هل تقبل حلنا المؤقت؟",
    "Do you accept our final resolution?": "هل تقبل حلنا النهائي؟",
    "This is our response:": "هذا ردنا:",
    "This is our temporary resolution:": "هذا حلنا المؤقت:",
    "This is our final resolution:": "هذا حلنا النهائي:",
    "(see our message)": "(انظر رسالتنا)",
    "I accept": "أقبل",
    "I do not accept": "لا أقبل",
    "Do you want to tell us why, or anything else?": "هل تود إخبارنا بالسبب أو بأي شيء آخر؟",
    "Please press one of the two buttons.": "يُرجى الضغط على أحد الزرين.",
    "This is longer than {most} characters.": "النص أطول من الحد المسموح به ({most} حرف).",
    "Thank you. We have recorded that you accept.": "شكرًا لك. سجّلنا قبولك.",
    "Thank you. We will look at it again.": "شكرًا لك. سننظر في الأمر مرة أخرى.",
    "Send": "إرسال",
    "Thank you. We have your feedback.": "شكرًا لك. وصلنا رأيك.",
    "There is no such question.": "لا يوجد سؤال كهذا.",
    "Please choose one.": "يُرجى اختيار إجابة.",
    "Please choose one from 1 to {best}.": "يُرجى اختيار إجابة من 1 إلى {best}.",
    "Please write something.": "يُرجى كتابة شيء ما.",
    "Please answer at least one question.": "يُرجى الإجابة عن سؤال واحد على الأقل.",
    "Do you approve this?": "هل توافق على هذا؟",
    "Approve": "موافقة",
    "Decline": "رفض",
    "Why? Declining needs a reason.": "لماذا؟ الرفض يحتاج إلى سبب.",
    "Please say why you decline.": "يُرجى ذكر سبب الرفض.",
    "You are asked since {day}.": "موافقتك مطلوبة منذ: {day}.",
    "{who} asks you since {day}.": "تُطلب منك هذه الموافقة من {who} منذ: {day}.",
    "{who} handed it to you on {day}.": "أُحيل إليك هذا من {who}: {day}.",
    "Thank you. You have approved it.": "شكرًا لك. تمت الموافقة.",
    "Thank you. You have declined it.": "شكرًا لك. تم الرفض.",
    "You approved this on {day}; there is nothing more to do.": "سبق أن وافقت على هذا ({day})، ولا يلزم فعل شيء آخر.",
    "You declined this on {day}; there is nothing more to do.": "سبق أن رفضت هذا ({day})، ولا يلزم فعل شيء آخر.",
    "{who} approved this on {day}; there is nothing more to do.": "تمت الموافقة على هذا من {who} ({day})، ولا يلزم فعل شيء آخر.",
    "{who} declined this on {day}; there is nothing more to do.": "رُفض هذا من {who} ({day})، ولا يلزم فعل شيء آخر.",
    "This was withdrawn on {day}: nobody waits for it any more.": "سُحب هذا الطلب ({day}): لم يعد أحد ينتظره.",
    "This was handed to {who} on {day}.": "أُحيل هذا الطلب إلى {who} ({day}).",
    "You were asked anew since. Please use the link in our latest message.": (
        "طُلب منك ذلك من جديد. يُرجى استخدام الرابط الوارد في رسالتنا الأخيرة."
    ),
    "There is nothing to be decided by this link any more.": "لم يعد هناك ما يُقرَّر بهذا الرابط.",
}
