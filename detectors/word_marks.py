"""Characters that are parts of words and that `\\w` does not know: vowel signs and accents of their own.

Those of scripts without spaces between words (Thai, Lao, Tibetan, Burmese, Khmer) are left out: a part of a word says
more than a whole sentence taken for one. So are those that go with symbols.
"""

from __future__ import annotations

import unicodedata

_RANGES = (*range(0x300, 0xE00), *range(0x10A0, 0x1780), *range(0x1800, 0x20D0), *range(0x2100, 0x3100))
MARKS = "".join(
    chr(code) for code in (*_RANGES, *range(0xA800, 0xA9E0)) if unicodedata.category(chr(code)).startswith("M")
)
"""To stand in a class of characters of a regular expression."""
