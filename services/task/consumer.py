"""What the service consumes: cases, lags that are over, and alerts of clocks for automation rules."""

from __future__ import annotations

from services.task.handlers import accounts, cases, erasure, leads, progress, replacements
from services.task.handlers.automation import hearing, pass_over
from services.task.handlers.compile import compile_configuration
from services.task.handlers.work import Work
from shared.clock import Clock, utc_now
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas import topics
from shared.schemas.events import (
    AccountChanged,
    AccountRepublished,
    CaseAcceptanceAsked,
    CaseAmended,
    CaseAssigned,
    CaseCustomerChanged,
    CaseDeleted,
    CaseMerged,
    CaseMergeUndone,
    CaseOpened,
    CasePriorityChanged,
    CaseRepublished,
    CaseStatusChanged,
    ClockDueSoon,
    ClockEscalated,
    ClockLagOver,
    ClockOverdue,
    ClockStartLate,
    ContactErased,
    LeadAssigned,
    LeadChanged,
    LeadOpened,
    LeadRepublished,
    LeadStatusChanged,
    ReplacementApproved,
)


def handlers(reference: ReferenceData, clock: Clock = utc_now) -> dict[str, Handler[Work]]:
    """Topic -> handler."""
    compiled = VersionCache.numbered(reference, compile_configuration).get
    return {
        topics.CASES: Handler(
            load=accounts.beside_accounts(cases.load_cases(compiled, clock)),
            apply=hearing(
                {
                    CaseOpened: cases.on_case_opened,
                    CaseRepublished: cases.on_case_opened,
                    CaseStatusChanged: cases.on_case_status_changed,
                    CaseMerged: cases.on_case_merged,
                    CaseMergeUndone: cases.on_case_merge_undone,
                    CaseAssigned: cases.on_case_assigned,
                    CasePriorityChanged: cases.on_case_changed,
                    ContactErased: erasure.on_contact_erased,
                    CaseAmended: cases.on_case_changed,
                    CaseAcceptanceAsked: cases.on_case_changed,
                    CaseDeleted: cases.on_case_status_changed,
                    ReplacementApproved: replacements.on_replacement_approved,
                    CaseCustomerChanged: cases.on_case_changed,
                    **dict.fromkeys((LeadOpened, LeadRepublished, LeadStatusChanged, LeadAssigned, LeadChanged), leads.on_lead),
                    AccountChanged: accounts.on_account_changed,
                    AccountRepublished: accounts.on_account_changed,
                }
            ),
            save=accounts.save,
        ),
        topics.SLA: Handler(
            load=progress.load_lags(compiled, clock),
            apply=hearing(
                {
                    ClockLagOver: progress.on_lag_over,
                    **dict.fromkeys((ClockDueSoon, ClockOverdue, ClockEscalated, ClockStartLate), pass_over),
                }
            ),
            save=cases.save,
        ),
    }
