"""Makes the font that is served out of Inter's: western letters, the weights from 400 to 700.

    npm pack @fontsource-variable/inter@5.3.0 && tar xzf fontsource-variable-inter-5.3.0.tgz
    .venv/bin/uv run --no-project --with fonttools==4.68.0 --with brotli==1.2.1 \
        scripts/subset.py package/files/inter-latin-wght-normal.woff2

It writes static/vendor/inter-5.3.0-western.woff2. Give another choice of glyphs another name:
browsers keep the file for a year. Kerning, figures of one width and the signs that fit capitals
and figures (the colon of 09:30) stay; arrows drawn out of "->" go.
"""

import sys
from io import BytesIO
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

FONT = Path(__file__).parents[1] / "static" / "vendor" / "inter-5.3.0-western.woff2"
WEIGHTS = (400, 700)
LETTERS = (
    *range(0x20, 0x7F), *range(0xA0, 0x100),  # Basic Latin, Latin-1
    *map(ord, "Œœ–—‘’‚“”„•…‹›€™←↑→↓−"),
)  # fmt: skip
NAMED = {0x2190: "arrowleft", 0x2192: "arrowright"}  # drawn in Inter's file, but without a number
FEATURES = ["kern", "tnum", "calt"]
VARIANTS = (".case", ".tf")  # of a letter: beside capitals, of one width


def main(source: str) -> None:
    narrowed = BytesIO()
    instantiateVariableFont(TTFont(source, recalcTimestamp=False), {"wght": WEIGHTS}).save(narrowed)
    font = TTFont(narrowed, recalcTimestamp=False)
    for table in font["cmap"].tables:
        table.cmap.update(NAMED)
    letters = {font.getBestCmap().get(letter) for letter in LETTERS}
    variants = {
        name
        for name in font.getGlyphOrder()
        if name.endswith(VARIANTS) and name.partition(".")[0] in letters
    }
    options = subset.Options(layout_features=FEATURES, layout_closure=False, flavor="woff2")
    worker = subset.Subsetter(options)
    worker.populate(unicodes=LETTERS, glyphs=variants)
    worker.subset(font)
    subset.save_font(font, FONT, options)
    print(f"{FONT.name}: {FONT.stat().st_size:,} bytes, {len(font.getGlyphOrder())} glyphs")


if __name__ == "__main__":
    main(sys.argv[1])
