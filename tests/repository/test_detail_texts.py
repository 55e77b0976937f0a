"""Every text of a problem detail, a hint or a fault exists in Chinese."""

from __future__ import annotations

import re

from tests.repository.detail_texts import texts, translations

EXPRESSION = re.compile(r"\{\d\}")


def test_every_text_is_translated_and_none_is_left_over() -> None:
    stored = translations()
    assert stored.keys() == texts(), "run python -m tests.repository.detail_texts"
    assert [text for text, translation in stored.items() if not translation] == []


def test_a_translation_has_the_expressions_of_its_text() -> None:
    for text, translation in translations().items():
        assert set(EXPRESSION.findall(translation)) == set(EXPRESSION.findall(text)), text
