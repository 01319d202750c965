"""A catalogue for tests: a boiler with warranty and two policies, a lamp without warranty, a service."""

from __future__ import annotations

from typing import Any

from shared.schemas.configuration import Configuration
from tests.support.case import a_case_configuration
from tests.support.configuration import SUBJECTS, TASK_DEFINITIONS

REASONS = [
    {"code": "faulty", "name": "It does not work", "gives": "covered"},
    {"code": "not-wanted", "name": "Not wanted any more", "gives": "refundable"},
]
PRODUCTS: dict[str, Any] = {
    "types": [{"code": "heating", "name": "Heating"}],
    "brands": [{"code": "warmco", "name": "Warmco"}],
    "families": [{"code": "boilers", "name": "Boilers"}],
    "return_policies": [
        {"code": "thirty-days", "name": "Thirty days", "within": "30 days", "reasons": REASONS},
        {"code": "one-month", "name": "A month, only if faulty", "within": "1 month", "reasons": REASONS[:1]},
    ],
    "catalogue": [
        {
            "code": "boiler",
            "name": "Boiler 24 kW",
            "kind": "good",
            "type": "heating",
            "brand": "warmco",
            "family": "boilers",
            "warranty": "2 years",
            "return_policy": "thirty-days",
            "replacement_task": "replace-boiler",
        },
        {"code": "lamp", "name": "Lamp", "kind": "good", "return_policy": "thirty-days"},
        {"code": "licence", "name": "Licence of the heating's app", "kind": "good", "physical": False},
        {"code": "sweeping", "name": "Chimney sweeping", "kind": "service"},
    ],
}
REPLACE_BOILER = {
    "code": "replace-boiler",
    "name": "Replace the boiler",
    "description": "Take the old one back to the store.",
    "complete_within": "2 working days",
    "owner": {"role": "plumber"},
}


def a_product_configuration(**changes: Any) -> Configuration:
    """The organisation of the tests of cases, with this catalogue; subject `noise` is about lamps only."""
    configuration = a_case_configuration(
        products=PRODUCTS,
        task_definitions=[*TASK_DEFINITIONS, REPLACE_BOILER],
        **changes,
    )
    subjects = [
        subject.model_copy(update={"products": ("lamp",)}) if subject.code == "noise" else subject for subject in configuration.subjects
    ]
    assert len(subjects) > len(SUBJECTS)
    return configuration.model_copy(update={"subjects": tuple(subjects)})
