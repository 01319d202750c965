"""Letters as a browser shows them: nothing is cut off on a narrow phone, and every word can be read, in dark mode too (NOTE-2)."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from tests.support.letters import composed

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "housing.yaml"
TOO_FAINT = """() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const groundOf = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, style = getComputedStyle(element);
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [dark, bright] = [light(parse(style.color)), light(groundOf(element))].sort((a, b) => a - b);
    const contrast = (bright + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faint.push([texts.currentNode.data, style.color, contrast]);
  }
  return faint;
}"""


def a_sample(colour: str) -> Configuration:
    configuration = check_configuration(SAMPLE.read_text().replace('colour: "#0b6e75"', f'colour: "{colour}"')).configuration
    assert configuration is not None
    assert configuration.organisation.letter.colour == colour
    return configuration


def letters(configuration: Configuration, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in composed(configuration, folder, title="Averylongword" * 8 + " and more"):
        part: Any = message_from_bytes(one.written.content, policy=policy.default).get_body(("html",))
        found.setdefault(one.definition, part.get_content())
    return found


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize("colour", ["#0b6e75", "#ffe600", "#101010"])
def test_every_letter_fits_a_phone_and_can_be_read_in_light_and_dark(browser: Browser, tmp_path: Path, colour: str) -> None:
    found, asked = letters(a_sample(colour), tmp_path), list[str]()
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        for definition, markup in found.items():
            page.set_content(markup)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, definition
            assert page.evaluate(TOO_FAINT) == [], (definition, scheme)
        page.close()
    assert asked == [], "nothing is loaded from outside"
