"""Real tasks for the demo, the tests and the benchmarks, as files like a user's own."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aft.core import cache_dir, write_text
from aft.demo._packages import fetch_npm, fetch_pypi, read_member
from aft.errors import MissingExtraError


def movie_sentences(cache: Path | None = None) -> Path:
    """10,605 movie-review sentences with mean human ratings from -4 to 4.

    Args:
        cache: Where to keep the table; `cache_dir` by default.

    Returns:
        A CSV file with the columns ``id``, ``sentence``, ``rating`` and ``polarity`` (``positive``, ``negative``, or empty if the
        rating is within 0.3 of zero). Duplicate sentences are removed.

    Raises:
        DataError: The download failed.

    Source:
        Hutto and Gilbert: VADER, ICWSM 2014; the sentences are Pang and Lee's.
    """
    cache = cache or cache_dir()
    table = cache / "movie-sentences.csv"
    if table.exists():
        return table
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        outer = fetch_pypi("vaderSentiment==3.3.2", Path(temporary), source=True)
        inner = Path(temporary) / "inner.tar.gz"
        inner.write_bytes(read_member(outer, "hutto_ICWSM_2014.tar.gz"))
        lines = read_member(inner, "movieReviewSnippets_GroundTruth.txt").decode("utf-8").splitlines()
        rows, seen = [], set()
        for line in lines:
            number, rating, sentence = (part.strip() for part in line.split("\t", 2))
            if not sentence or sentence in seen:
                continue
            seen.add(sentence)
            value = float(rating)
            polarity = "" if abs(value) < 0.3 else "positive" if value > 0 else "negative"
            rows.append((f"movie-{number}", sentence, f"{value:.4f}", polarity))
    return _write_csv(table, [("id", "sentence", "rating", "polarity"), *rows])


def emoji_names(cache: Path | None = None) -> Path:
    """The name of each picture of `emoji_pictures`.

    Args:
        cache: Where to keep the table; `cache_dir` by default.

    Returns:
        A CSV file with the columns ``id`` (the path of the picture in its folder) and ``name``.

    Raises:
        DataError: The download failed.
    """
    cache = cache or cache_dir()
    table = cache / "emoji-names.csv"
    if table.exists():
        return table
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        archive = fetch_npm("emoji-datasource@16.0.0", Path(temporary))
        entries = json.loads(read_member(archive, "package/emoji.json"))
    names = [(_emoji_path(entry), entry["name"].lower()) for entry in entries if entry["category"] != "Component"]
    return _write_csv(table, [("id", "name"), *names])


def _write_csv(path: Path, rows: Iterable[tuple[str, ...]]) -> Path:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_text(path, buffer.getvalue())
    return path


def _emoji_path(entry: dict[str, Any]) -> str:
    category = entry["category"].lower().replace(" & ", "-").replace(" ", "-")
    return f"{category}/{entry['unified'].lower()}.png"


def emoji_pictures(vendor: str = "google", cache: Path | None = None) -> Path:
    """Emoji of a vendor, 32 x 32 pixels, as an image folder with one subfolder per category (1,900 pictures, 9 categories).

    Args:
        vendor: ``"google"`` or ``"twitter"``.
        cache: Where to keep them; `cache_dir` by default.

    Returns:
        The folder.

    Raises:
        DataError: The download failed.
        MissingExtraError: Pillow is not installed.
    """
    cache = cache or cache_dir()
    folder = cache / f"emoji-{vendor}"
    if folder.exists():
        return folder
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "pictures need Pillow, which is not installed; run pip install 'adaptive-feature-transfer[vision]'"
        ) from error
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        archive = fetch_npm("emoji-datasource@16.0.0", Path(temporary))
        emoji = json.loads(read_member(archive, "package/emoji.json"))
        sheet = Image.open(io.BytesIO(read_member(archive, f"package/img/{vendor}/sheets/32.png"))).convert("RGBA")
        made = Path(temporary) / "pictures"
        for entry in emoji:
            if not entry[f"has_img_{vendor}"] or entry["category"] == "Component":
                continue
            left, top = entry["sheet_x"] * 34 + 1, entry["sheet_y"] * 34 + 1
            target = made / _emoji_path(entry)
            target.parent.mkdir(parents=True, exist_ok=True)
            sheet.crop((left, top, left + 32, top + 32)).save(target)
        made.replace(folder)
    return folder


def digit_pictures(cache: Path | None = None) -> Path:
    """Handwritten digits, 8 x 8 pixels, as an image folder with one subfolder per digit (1,797 pictures).

    Args:
        cache: Where to keep them; `cache_dir` by default.

    Returns:
        The folder.

    Raises:
        MissingExtraError: Pillow or scikit-learn is not installed.

    Source:
        scikit-learn's copy of the test part of UCI's optical recognition of handwritten digits.
    """
    cache = cache or cache_dir()
    folder = cache / "digits"
    if folder.exists():
        return folder
    try:
        from PIL import Image
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            "the digits need Pillow and scikit-learn, which are not installed; run pip install 'adaptive-feature-transfer[train,vision]'"
        ) from error
    cache.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        made = Path(temporary) / "pictures"
        for number, (pixels, digit) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
            target = made / str(digit) / f"{number:04d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15.9375).round().astype("uint8")).save(target)
        made.replace(folder)
    return folder
