"""Taking in customers' feedback, by a link or from another system (CASE-13, EDGE-16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.case.domain.case import Case, HistoryEntry
from services.case.domain.feedback import Asked, FeedbackRefused, Form, answers_of, form_for
from services.case.domain.life_cycle import LifeCycle
from services.case.handlers.commands import UnknownCase
from services.case.handlers.links import NOT_HERE, Step, Taken
from services.case.storage import cases, feedback
from services.case.storage.feedback import Feedback
from shared.ids import derive
from shared.links import Link
from shared.links.pages import CUSTOMER, Choice, Given, LinkEnded, Page, Question
from shared.links.words import Said
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.feedback import RatingQuestion
from shared.schemas.events import FeedbackGiven
from shared.schemas.parts import Rating
from shared.storage import Transaction

PURPOSE = "feedback"


@dataclass(frozen=True, slots=True)
class From:
    """Who hands a feedback in; `permit` raises what the case forbids them."""

    user: str
    permit: Callable[[Case], None]


class FeedbackIntake:
    """Takes feedback by the newest forms. Raises `UnknownCase`, `FeedbackRefused` and `NotFilled`."""

    def __init__(self, reference: ReferenceData, forms: VersionCache[tuple[Form, ...]]) -> None:
        self._reference = reference
        self._forms = forms

    def form(self, tx: Transaction, case: Case) -> Form:
        """What this case's customer is asked."""
        return form_for(self._forms.get(), case, feedback.has_any(tx, case.id))

    def take(self, tx: Transaction, case_id: UUID, given: Mapping[str, str], sender: From, step: Step) -> Feedback:
        """Keep it, and tell of it. The case itself stays as it is."""
        case = cases.lock(tx, [case_id]).get(case_id)
        if case is None:
            raise UnknownCase(str(case_id))
        sender.permit(case)
        form = self.form(tx, case)
        answers = answers_of(form, given)
        kept = Feedback(
            derive("feedback", case.id, step.cause), case.id, form.code, case.subject, case.unit, case.method, sender.user, step.now
        )
        feedback.add(tx, kept, answers)
        cases.add_history(tx, [HistoryEntry(case.id, None, "feedback", None, form.code, sender.user, step.now)])
        tx.emit(
            FeedbackGiven(
                feedback_id=kept.id,
                case_id=case.id,
                number=case.number,
                form=form.code,
                subject=case.subject,
                unit=case.unit,
                method=case.method,
                ratings=tuple(
                    Rating(question=answer.question, rating=answer.rating, best=answer.best, satisfied=bool(answer.satisfied))
                    for answer in answers
                    if answer.rating is not None and answer.best is not None
                ),
                has_comment=any(answer.comment for answer in answers),
                given_by=sender.user,
                given_at=step.now,
            ),
            aggregate_id=kept.id,
            key=case.id,
            revision=1,
            cause=step.cause,
            time=step.now,
            config_version=self._reference.version,
            traceparent=step.traceparent,
        )
        return kept


class FeedbackLink:
    """The purpose of links that ask for feedback."""

    def __init__(self, intake: FeedbackIntake) -> None:
        self._intake = intake

    def page(self, tx: Transaction, link: Link) -> Page:
        """The form's questions."""
        case = cases.get(tx, link.record)
        if case is None:
            raise LinkEnded(NOT_HERE)
        try:
            form = self._intake.form(tx, case)
        except FeedbackRefused as error:
            raise LinkEnded(NOT_HERE) from error
        about = Said("Case {number}: {title}", number=case.number, title=case.title)
        intro = (about, Said(form.intro)) if form.intro else (about,)
        return Page(Said(form.name), intro, tuple(_question(asked) for asked in form.questions), (Choice("send", Said("Send")),))

    def take(self, tx: Transaction, link: Link, given: Given, step: Step) -> Taken:
        """Take it in as the customer's."""
        try:
            kept = self._intake.take(tx, link.record, given.answers, From(CUSTOMER, lambda _case: None), step)
        except (FeedbackRefused, UnknownCase) as error:
            raise LinkEnded(NOT_HERE) from error
        return Taken(f"feedback {kept.id}", Said("Thank you. We have your feedback."))


def forms_of(configuration: Configuration) -> tuple[Form, ...]:
    """The feedback forms of a configuration, in their order."""
    return tuple(
        Form(
            section.code,
            section.name,
            section.intro,
            frozenset(section.subjects),
            frozenset(LifeCycle(state.value) for state in section.states),
            section.repeatable,
            tuple(
                Asked(asked.code, asked.question, asked.labels, asked.satisfied_from, asked.required)
                if isinstance(asked, RatingQuestion)
                else Asked(asked.code, asked.question, (), 0, asked.required)
                for asked in section.questions
            ),
        )
        for section in configuration.feedback
    )


def _question(asked: Asked) -> Question:
    choices = tuple(Choice(str(rating), Said(label)) for rating, label in enumerate(asked.labels, start=1))
    return Question(asked.code, Said(asked.wording), choices, asked.is_required)
