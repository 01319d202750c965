"""The scripts of a communication method, and what was answered to their prompts (COM-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.case.domain.refusals import PromptRefused


class Prompt(NamedTuple):
    """A prompt of a method's script; `script` is `pre` or `security`."""

    script: str
    text: str


class Answered(NamedTuple):
    """A changed answer; None: there was none, or it was taken back."""

    prompt: Prompt
    old: str | None
    new: str | None


def record_answers(
    recorded: Sequence[Mapping[str, Any]], given: Sequence[tuple[str, str]], prompts: Sequence[Prompt], by: str, at: datetime
) -> tuple[list[Mapping[str, Any]], list[Answered]]:
    """The answers after `given` (prompt and answer) were recorded, and what changed. An empty answer takes back the one before.

    Answers are mappings with `script`, `prompt` and `answer`, and `by` and `at` where a member of staff recorded them. A prompt that
    stands in several scripts is that of the first; one that was answered before may be answered again. Raises `PromptRefused`.
    """
    answers = {Prompt(answer["script"], answer["prompt"]): answer for answer in recorded}
    by_text = {prompt.text: prompt for prompt in reversed([*prompts, *answers])}
    changes: list[Answered] = []
    for text, answer in given:
        prompt = by_text.get(text)
        if prompt is None:
            raise PromptRefused("script answers", f"no script of the communication method has the prompt {text!r}")
        before = answers[prompt]["answer"] if prompt in answers else None
        after = answer.strip() or None
        if before == after:
            continue
        changes.append(Answered(prompt, before, after))
        if after is None:
            del answers[prompt]
        else:
            answers[prompt] = {"script": prompt.script, "prompt": text, "answer": after, "by": by, "at": at.isoformat()}
    return list(answers.values()), changes
