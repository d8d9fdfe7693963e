"""Coverage-guided fuzzing of one reader with atheris (pip install atheris; Linux).

    python tests/fuzz/harness.py TARGET CORPUS [libFuzzer flags, such as -max_total_time=60]

Seeds are written into the folder CORPUS first, and what reaches new code is kept there. An input
that breaks the reader is written to ``crash-...``: keep it as regressions/TARGET-what-was-wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["biomask", "obonet", "zipfile"]):
    from fuzz_targets import TARGETS, check

    import biomask.masks.readers  # noqa: F401


def main() -> None:
    name, corpus = sys.argv[1], Path(sys.argv[2])
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(target.seeds()):
        (corpus / f"seed-{i}").write_bytes(seed)
    words = corpus.with_suffix(".dict")
    escaped = ("".join(f"\\x{byte:02x}" for byte in token) for token in target.tokens)
    words.write_text("".join(f'"{token}"\n' for token in escaped))
    flags = [f"-dict={words}", *sys.argv[3:], str(corpus)]
    atheris.Setup([sys.argv[0], *flags], lambda raw: check(name, raw))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
