"""The fonts of captions: parts of Noto Sans, as small as the common writing systems allow.

    apt-get download fonts-noto-core=20201225-1 fonts-noto-cjk=1:20220127+repack1-1
    for package in fonts-noto-*.deb; do dpkg -x $package noto; done
    pip install fonttools==4.68.0
    python -m recipes.fonts noto/usr/share/fonts guidance/media/fonts

The packages are Debian's; the hashes of the files that are read are checked. The result is the same
to the byte with the same version of fontTools.

There are two fonts, because the outlines of Noto Sans CJK are CFF and all others are TrueType:

    text.ttf   Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic, Devanagari, Thai
    cjk.otf    Han, kana, Hangul, symbols

Han are those of GB 2312, of level 1 of JIS X 0208, and of level 1 of Big5, in their simplified
Chinese forms; Hangul are all modern syllables. Hinting is left out: captions are drawn smoothed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fontTools import merge, subset
from fontTools.ttLib import TTFont

#: What of which file goes into text.ttf: the ranges of characters, in the order of the merge.
TEXT = {
    "NotoSans": [
        (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2AF), (0x2B0, 0x36F), (0x370, 0x3FF),
        (0x400, 0x52F), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F),
        (0x20A0, 0x20BF), (0x2100, 0x218F), (0x25CC, 0x25CC), (0xFB00, 0xFB06), (0xFFFD, 0xFFFD),
    ],
    "NotoSansArmenian": [(0x530, 0x58F), (0xFB13, 0xFB17)],
    "NotoSansGeorgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "NotoSansHebrew": [(0x590, 0x5FF)],
    "NotoSansArabic": [(0x600, 0x6FF), (0x750, 0x77F)],
    "NotoSansDevanagari": [(0x900, 0x97F)],
    "NotoSansThai": [(0xE00, 0xE7F)],
}  # fmt: skip
CJK = "NotoSansCJK-Regular.ttc"
SIMPLIFIED_CHINESE = 2  # the font of the collection whose forms of Han are used
SYMBOLS = [
    (0x20, 0x20), (0x2010, 0x2027), (0x2030, 0x205E), (0x2190, 0x21FF), (0x2200, 0x22FF),
    (0x2300, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x25FF), (0x2600, 0x26FF), (0x2700, 0x27BF),
    (0x3000, 0x30FF), (0x31F0, 0x31FF), (0x3200, 0x32FF), (0xFE30, 0xFE4F), (0xFF01, 0xFFEE),
]  # fmt: skip
HANGUL = [(0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7A3)]
#: Of the files that are read.
SHA256 = {
    "NotoSans": "89c3c497f618fdaa0b2d1e98fef93582f28c71debd2c4a8cdf41f190ced2909d",
    "NotoSansArmenian": "9636c32c121f4fc1fc6963dfad60ea32c41889507118a46f83a818eacf40348e",
    "NotoSansGeorgian": "ba75f2154fef9beac8439f94c631dc37ef9c708d32f9254bb019afdfa9aa3138",
    "NotoSansHebrew": "436900d5ad77d33e4234247f3076eaecd25b92b9bea0519514f684140e3566a7",
    "NotoSansArabic": "504d7407d86875acf7d04dfaa0fd7524d0b8797723bc4aa18022f29db25b0b6e",
    "NotoSansDevanagari": "79a470365ccb210fa3c7d8d8ff2e005ef9d983cfd067f735a0caf7e15070ca9f",
    "NotoSansThai": "dfbd5ed0f1e68c3cbc51aa08f646d1ab0e68e7c4ceab70a69e465225ff701f93",
    "NotoSansCJK": "b76b0433203017ca80401b2ee0dd69350349871c4b19d504c34dbdd80541690a",
}
#: The time in the files, so that they are the same whenever they are made: 2022-01-27.
EPOCH = "1643241600"


def common_han() -> Iterator[int]:
    """Han characters of the standards of China, Japan and Taiwan, by their levels."""
    trail = range(0xA1, 0xFF)
    pairs = [
        ("gb2312", range(0xB0, 0xF8), trail),  # levels 1 and 2
        ("euc_jp", range(0xB0, 0xD0), trail),  # level 1
        ("big5", range(0xA4, 0xC7), [*range(0x40, 0x7F), *trail]),  # level 1
    ]
    for codec, leads, trails in pairs:
        for lead, second in itertools.product(leads, trails):
            text = bytes([lead, second]).decode(codec, "ignore")
            if len(text) == 1 and "\u3400" <= text <= "\u9fff":
                yield ord(text)


def characters(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """All characters of ranges, both ends included."""
    return {number for first, last in ranges for number in range(first, last + 1)}


def read(path: Path, number: int = 0) -> TTFont:
    """A font, after its file has been compared with `SHA256`."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if SHA256.get(path.stem.removesuffix("-Regular")) != found:
        raise SystemExit(f"{path}: has SHA-256 {found}, not that of the packages named above")
    return TTFont(path, fontNumber=number, lazy=True)


def options(*, shaping: bool) -> subset.Options:
    """Those of the subsets: no hinting; the rules of shaping only where a script needs them."""
    chosen = subset.Options()
    chosen.hinting = False
    chosen.name_IDs = [0, 1, 2, 4, 6, 13, 14]  # copyright, names, licence
    chosen.notdef_outline = True
    chosen.layout_features = ["*"] if shaping else []
    chosen.drop_tables += ["DSIG", "vhea", "vmtx", "VORG", "BASE", "MATH", "STAT"]
    if not shaping:
        chosen.drop_tables += ["GSUB", "GPOS", "GDEF"]
    return chosen


def reduced(font: TTFont, wanted: set[int], *, shaping: bool) -> TTFont:
    """The font with the wanted characters only."""
    subsetter = subset.Subsetter(options(shaping=shaping))
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    return font


def text_font(folder: Path) -> bytes:
    """text.ttf: parts of several fonts as one."""
    parts = []
    for name, ranges in TEXT.items():
        font = reduced(read(folder / f"{name}-Regular.ttf"), characters(ranges), shaping=True)
        parts.append(io.BytesIO(content(font)))
    return content(merge.Merger().merge(parts))


def cjk_font(folder: Path) -> bytes:
    """cjk.otf."""
    wanted = characters(SYMBOLS + HANGUL) | set(common_han())
    return content(reduced(read(folder / CJK, SIMPLIFIED_CHINESE), wanted, shaping=False))


def content(font: TTFont) -> bytes:
    """The bytes of a font."""
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def main() -> None:
    """Writes both fonts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="with truetype/noto and opentype/noto")
    parser.add_argument("target", type=Path)
    chosen = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    chosen.target.mkdir(parents=True, exist_ok=True)
    for name, made in {
        "text.ttf": text_font(chosen.source / "truetype" / "noto"),
        "cjk.otf": cjk_font(chosen.source / "opentype" / "noto"),
    }.items():
        (chosen.target / name).write_bytes(made)
        print(f"{name}  {len(made)} bytes  SHA-256 {hashlib.sha256(made).hexdigest()}")


if __name__ == "__main__":
    main()
