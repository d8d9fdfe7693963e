"""Names of genes and pathways as figures and pages show them: one rule for all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

WIDTH = 28  # characters in a line
LINES = 2
ELLIPSIS = "…"

_BREAKABLE = re.compile(r"[^ _\-/|]*[ _\-/|]*")  # a word and the separators that end it


def shorten(name: object, width: int = WIDTH * LINES) -> str:
    """`name` in at most `width` characters, the middle left out, on one line.

    Names of pathways differ at both ends ("... of the G1/S transition", "HALLMARK_..."), so more
    of the head and some of the tail are kept. Control characters and runs of white space become
    one space.
    """
    text = _one_line(name)
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 5
    head = width - 1 - tail
    first = _whole_words(text[: head + 1])[:head].rstrip()
    last = _whole_words(text[len(text) - tail - 1 :][::-1])[:tail][::-1].lstrip()
    return first + ELLIPSIS + last


def wrap(name: object, width: int = WIDTH, lines: int = LINES) -> str:
    """`name` on at most `lines` lines of at most `width` characters, shortened where needed.

    Lines break after a space, an underscore, a hyphen, a slash or a bar, so that
    ``HALLMARK_INTERFERON_ALPHA_RESPONSE`` breaks as well as a sentence does.
    """
    full = _one_line(name)
    for budget in range(width * lines, 0, -1):
        filled = _fill(shorten(full, budget), width)
        if len(filled) <= lines:
            break
    return "\n".join(filled)


def display_names(names: Iterable[object], width: int = WIDTH, lines: int = LINES) -> list[str]:
    """The wrapped names for tick labels: still distinct, and never read as mathematics.

    Two names that look alike once shortened get `` (1)`` and `` (2)``; see `literal` for the
    dollar signs.
    """
    names = [str(name) for name in names]
    shown = [wrap(name, width, lines) for name in names]
    repeated = {text for text, count in Counter(shown).items() if count > 1}
    seen: Counter[str] = Counter()
    for i, text in enumerate(shown):
        if text in repeated:
            seen[text] += 1
            shown[i] = f"{text} ({seen[text]})"
    return [literal(text) for text in shown]


def literal(text: object) -> str:
    r"""`text` for Matplotlib, shown as it is: every ``$`` is escaped, so none starts mathtext."""
    return str(text).replace("$", r"\$")


def _whole_words(text: str) -> str:
    """`text` up to the last separator, unless that gives away more than a third of it."""
    end = max(text.rfind(separator) for separator in " _-/|") + 1
    return text[:end] if end > 2 * len(text) / 3 else text


def _one_line(name: object) -> str:
    printable = "".join(c if c.isprintable() else " " for c in str(name))
    return " ".join(printable.split())


def _fill(text: str, width: int) -> list[str]:
    lines = [""]
    for word in filter(None, _BREAKABLE.findall(text)):
        while len(word.rstrip()) > width:  # no place to break: cut it
            if len(lines[-1]) >= width:  # longer where a space ends it
                lines.append("")
            room = width - len(lines[-1])
            lines[-1] += word[:room]
            word = word[room:]
        if len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip(" ") for line in lines if line.strip()] or [""]
