"""Colours that can be read: contrast as WCAG 2.2 counts it (1.4.3), and the nearest colour that has enough."""

from __future__ import annotations

ENOUGH = 4.5
"""The contrast of text that AA asks for."""
STEPS = 50

Rgb = tuple[float, float, float]


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white). Colours are `#rrggbb`."""
    dark, light = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))))
    return (light + 0.05) / (dark + 0.05)


def on(ground: str) -> str:
    """White or black: which of the two is read better on it."""
    return max(("#ffffff", "#000000"), key=lambda colour: contrast(colour, ground))


def readable(colour: str, ground: str, enough: float = ENOUGH) -> str:
    """The colour, darkened or lightened as little as it takes to be read on this ground."""
    towards = (0.0, 0.0, 0.0) if _luminance(_rgb(ground)) > 0.18 else (255.0, 255.0, 255.0)
    start = _rgb(colour)
    for step in range(STEPS + 1):
        mixed = _hex(tuple(a + (b - a) * step / STEPS for a, b in zip(start, towards, strict=True)))
        if contrast(mixed, ground) >= enough:
            return mixed
    return on(ground)


def _rgb(colour: str) -> Rgb:
    red, green, blue = (float(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return red, green, blue


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in rgb)


def _luminance(rgb: Rgb) -> float:
    red, green, blue = (_linear(part / 255) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
