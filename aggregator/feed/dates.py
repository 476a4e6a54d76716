"""Date strings as feeds publish them, into UTC datetimes of whole seconds. Guesses no order of day and month, asks no clock."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aggregator import markup, model

# The first feeds are of 1999, the web of 1990; what is older, or from the future, is a mistake or a trick to stay on top.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LONGEST = 200
# UTC+14 is Kiribati; no place is further from UTC.
_FURTHEST = timedelta(hours=14)
_KOREA = timedelta(hours=9)

# Minutes from UTC. RFC 822 §5.1, the `timezone_names` of feedparser, and what news sites use. IST is India, BST British summer.
_ZONES = {
    name: minutes
    for minutes, names in {
        0: "z ut utc gmt wet",
        60: "cet met bst west n",
        120: "eet cest mest sast",
        180: "msk eest",
        300: "pkt",
        330: "ist",
        420: "wib ict",
        480: "hkt sgt awst",
        540: "jst kst",
        600: "aest",
        660: "aedt",
        720: "nzst y",
        780: "nzdt",
        -60: "a",
        -180: "brt art adt",
        -240: "ast at edt",
        -300: "est et cdt",
        -360: "cst ct mdt",
        -420: "mst mt pdt",
        -480: "pst pt akdt",
        -540: "akst",
        -600: "hst",
        -720: "m",
    }.items()
    for name in names.split()
}
# The beginnings of the months' names, without accents: English, German, French, Spanish, Portuguese, Italian, Dutch, the
# Scandinavian languages, Polish, Russian, Greek, Hungarian, Turkish.
_MONTHS = {
    start: number
    for number, starts in enumerate(
        (
            "jan ene gen sty янв ιαν oca",
            "feb fev fevr lut фев φεβ sub",
            "mar mrz maer mrt март μαρ μαω",
            "apr avr abr kwi апр απρ nis",
            "may mai mei maj mag маи мая μαι",
            "jun juin giu cze июн ιουν ιον haz",
            "jul juil lug lip июл ιουλ ιολ tem",
            "aug aou ago sie авг αυγ agu",
            "sep set wrz сен σεπ szep eyl",
            "oct okt out ott paz окт οκτ eki",
            "nov lis ноя νοε kas",
            "dec dez dic des gru дек δεκ ara",
        ),
        1,
    )
    for start in starts.split()
}

_TIME = r"""
    (?P<hour>\d{1,2}) : (?P<minute>\d\d) (?: : (?P<second>\d{1,2}) (?:[.,]\d+)? )? (?![\d:])
    (?: \s* (?P<half>[ap])\.?m\b\.? )?
    (?: \s* (?:\b(?:etc/)?(?:gmt|utc|ut))? \s* (?P<offset>[+-]\d{1,2}(?::?\d\d)?) (?![\d:]) )?
"""
_FLAGS = re.VERBOSE | re.IGNORECASE
# RFC 3339, ISO 8601 with a four-digit year, and both with slashes and blanks. The truncated years of ISO 8601:1988 (`03-12-31`)
# are too easily something else.
_ISO = re.compile(
    rf"""(?P<year>\d{{4}}) (?: (?P<month>\d\d)(?P<day>\d\d)
          | (?P<mark>[-/.]) (?P<month_>\d{{1,3}}) (?: (?P=mark) (?P<day_>\d{{1,2}}) )? )?
        (?: (?:t|[\s,]+) {_TIME} (?: (?P<zone>[a-z]{{1,4}}) | \s+ \(?(?P<zone_>[a-z]+)\)? )? )?""",
    _FLAGS,
)
_NUMBERS = re.compile(
    rf"(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second_>\d{{1,2}})(?P=mark)(?P<year>\d{{4}})"
    rf"(?:[\s,t]+{_TIME}(?:\s*\(?(?P<zone>[a-z]+)\)?)?)?",
    _FLAGS,
)
_CLOCK = re.compile(rf"(?<![\d:]) {_TIME}", _FLAGS)
# Nine in ten dates are written like this, and need no guessing (RFC 822 §5.1, with the year of RFC 1123 §5.2.14).
_USUAL = re.compile(
    r"(?:[A-Z][a-z][a-z], )?(\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d) "
    r"(?:GMT|([+-](?:0\d|1[0-3])[0-5]\d))"
)
_COMPACT = re.compile(r"^(\d{8})t(\d\d)(\d\d)(\d\d)?", re.IGNORECASE)
_EPOCH = re.compile(r"\d{10}(?:\d{3})?")
_WEEKDAY = re.compile(r"[^\W\d]+\.?,?\s+(?=\d)")
_IDEOGRAPHS = re.compile(r"(\d{4})\s*[년年]\s*(\d{1,2})\s*[월月]\s*(\d{1,2})\s*[일日]?")
_HANGUL = re.compile("[가-힣]")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_REST = re.compile(r"[\w\s,.;()/°º'’|–-]*")


class Stamp(NamedTuple):
    """The date to believe, the publisher's words for it, which of the two it is (a `model.DateSource`), and the last update."""

    at: datetime | None = None
    raw: str | None = None
    source: str | None = None
    updated_at: datetime | None = None
    updated_raw: str | None = None


NO_DATE = Stamp()


def best(published: str | None, updated: str | None = None, created: str | None = None, *, now: datetime) -> Stamp:
    """The first plausible one of published, created, updated; without any, only the words remain.

    A creation date is a publication date by another name. A date that is still to come is not believed: sorted by date, such
    items would stay on top.
    """
    told = [
        (markup.line(raw or "", LONGEST), source)
        for raw, source in (
            (published, model.DateSource.PUBLISHED),
            (created, model.DateSource.PUBLISHED),
            (updated, model.DateSource.UPDATED),
        )
    ]
    updated_raw = told[-1][0] or None
    updated_at = _believed(updated_raw, now)
    for raw, source in told:
        at = updated_at if source is model.DateSource.UPDATED else _believed(raw, now)
        if at is not None:
            return Stamp(at, raw, source.value, updated_at, updated_raw)
    return Stamp(None, next((raw for raw, _ in told if raw), None), None, None, updated_raw)


def _believed(raw: str | None, now: datetime) -> datetime | None:
    at = parse(raw) if raw else None
    return at if at is not None and EARLIEST <= at <= now else None


def parse(text: str) -> datetime | None:
    """The moment that `text` names; UTC where it names no zone, midnight where it names no time. None if it names none.

    Day and month as numbers are believed only where one of them cannot be a month.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    try:
        if usual := _USUAL.fullmatch(text):
            day, month, year, hour, minute, second, offset = usual.groups()
            local = datetime(
                int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), int(second), tzinfo=UTC
            )
            return local - _offset(offset, None, timedelta(0))
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text[:10]), UTC)
        default = _KOREA if _HANGUL.search(text) else timedelta(0)
        text = _IDEOGRAPHS.sub(r"\1-\2-\3 ", text)
        text = _COMPACT.sub(lambda match: f"{match[1]} {match[2]}:{match[3]}:{match[4] or '00'}", text)
        text = re.sub(r"(오전|오후)\s*(\d{1,2}:\d\d(?::\d\d)?)", _twelve_hours, text)
        return _numeric(_WEEKDAY.sub("", text, count=1).strip(), default) or _worded(text)
    except (ValueError, OverflowError):
        return None


def _twelve_hours(match: re.Match[str]) -> str:
    return f"{match[2]} {'am' if match[1] == '오전' else 'pm'}"


def _numeric(text: str, default: timedelta) -> datetime | None:
    """A date all in numbers."""
    if match := _ISO.fullmatch(text):
        month, day = match["month"] or match["month_"] or 1, match["day"] or match["day_"] or 1
        return _moment(match, (int(match["year"]), int(month), int(day)), match["zone"] or match["zone_"], default)
    if match := _NUMBERS.fullmatch(text):
        first, second = int(match["first"]), int(match["second_"])
        # Dots are written day first wherever they are used; with other marks either order is in use.
        if match["mark"] == "." or first > 12:
            return _moment(match, (int(match["year"]), second, first), match["zone"], default)
        if second > 12:
            return _moment(match, (int(match["year"]), first, second), match["zone"], default)
    return None


def _worded(text: str) -> datetime | None:
    """A date with the month as a word: RFC 822 and 850, asctime, and what people write, in any order."""
    text = re.sub(r"(?<=\d)t(?=\d)", " ", text, flags=re.IGNORECASE)
    clock = _CLOCK.search(text)
    rest = f"{text[: clock.start()]} {text[clock.end() :]}" if clock else text
    if not _REST.fullmatch(rest):
        return None
    words = _WORDS.findall(_bare(rest))
    numbers = [word for word in words if word.isdecimal()]
    # In several languages Tuesday begins as March does, and the weekday comes first: the last month counts.
    months = [month for word in words if (month := _MONTHS.get(word[:4]) or _MONTHS.get(word[:3]))]
    if len(numbers) != 2 or not months:
        return None
    day, year = numbers if len(numbers[0]) <= 2 else reversed(numbers)
    zone = next((word for word in words if word in _ZONES), None)
    return _moment(clock, (_full_year(year), months[-1], int(day)), zone)


def _bare(text: str) -> str:
    """`text` in lower case without accents."""
    return "".join(char for char in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(char))


def _full_year(year: str) -> int:
    # As feedparser: there was no feed before the nineties.
    return int(year) + (0 if len(year) > 2 else 2000 if int(year) < 90 else 1900)


def _moment(
    clock: re.Match[str] | None, date: tuple[int, int, int], zone: str | None, default: timedelta = timedelta(0)
) -> datetime:
    """`date` at the time of day that `clock` matched. Raises ValueError if there is no such moment."""
    year, month, day = date
    if clock is None or clock["hour"] is None:
        return datetime(year, month, day, tzinfo=UTC)
    hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
    if half := clock["half"]:
        hour = hour % 12 + (12 if half in "pP" else 0)
    # RFC 3339 §5.6 allows the leap second; datetime does not know it.
    local = datetime(year, month, day, hour, minute, 59 if second == 60 else second, tzinfo=UTC)
    return local - _offset(clock["offset"], zone, default)


def _offset(offset: str | None, zone: str | None, default: timedelta) -> timedelta:
    if offset:
        digits = offset[1:].replace(":", "")
        hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        distance = timedelta(hours=int(hours), minutes=int(minutes))
        if distance > _FURTHEST:
            raise ValueError(f"no place is {distance} from UTC")
        return -distance if offset[0] == "-" else distance
    return timedelta(minutes=_ZONES[zone.lower()]) if zone and zone.lower() in _ZONES else default
