"""The records on the wire: mention, scored mention, advance, rejected record.

JSON, UTF-8; one JSON Schema each in ``deploy/schemas/``. Unknown fields are ignored and new fields are optional, so
producers and consumers can be upgraded in either order. This file knows no Kafka: it turns bytes into records and back.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Kind = Literal["post", "reply", "repost", "quote", "article", "review"]
Label = Literal["negative", "neutral", "positive"]

#: Why a record went to the dead-letter topic; the header ``tocsin-reason`` and the label of the counter.
Reason = Literal[
    "empty",
    "too_large",
    "not_utf8",
    "not_json",
    "missing_field",
    "wrong_type",
    "absurd_date",
    "text_too_long",
    "unknown_brand",
]

#: Minutes are the unit of ticks.
MINUTE_US = 60_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Mention(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A mention as a source delivers it: one post, reply, article or review that may name a brand."""

    id: Identifier
    created_at: Timestamp
    text: str
    source: Annotated[str, msgspec.Meta(max_length=512)] = "unknown"
    brand: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    author: str | None = None
    lang: str | None = None
    url: str | None = None
    kind: Kind | None = None
    parent_id: str | None = None
    root_id: str | None = None
    reach: Amount | None = None
    engagement: Amount | None = None
    gold_tone: Label | None = None


class EndOfReplay(msgspec.Struct, frozen=True, kw_only=True):
    """Control record that a replay writes to every partition of ``mentions`` when no mention follows."""

    control: Literal["end"]
    created_at: Timestamp


class Tone(msgspec.Struct, frozen=True, gc=False):
    """Probabilities of the three tones; they add up to 1 within rounding."""

    negative: float
    neutral: float
    positive: float

    @property
    def label(self) -> Label:
        """The most probable tone; a tie goes to the one named first."""
        best: Label = "negative"
        value = self.negative
        if self.neutral > value:
            best, value = "neutral", self.neutral
        if self.positive > value:
            best = "positive"
        return best


class Model(msgspec.Struct, frozen=True):
    """Which model read the tone; the same version always reads the same tone."""

    name: str
    version: str


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where in ``mentions`` a scored record comes from: what makes redelivery harmless and ticks reproducible."""

    partition: int
    offset: int
    #: The tick that the origin's watermark had entered when classify came to this record, as far as that reader knew;
    #: None before its first record. It may understate after a restart; the advances in the log make up for it.
    reached: int | None


class ScoredMention(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag="mention"):
    """A mention with its tone, for one brand; the author is a keyed hash (16 hexadecimal digits)."""

    id: str
    created_at: Timestamp
    text: str
    brand: str
    tone: Tone
    #: False where the model does not know the language: the mention counts, its tone is a guess that decides nothing.
    tone_reliable: bool = True
    model: Model
    origin: Origin
    source: str = "unknown"
    author: str | None = None
    lang: str | None = None
    url: str | None = None
    kind: Kind | None = None
    parent_id: str | None = None
    root_id: str | None = None
    reach: float | None = None
    engagement: float | None = None
    gold_tone: Label | None = None


class Advance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="advance"):
    """Control record in ``mentions.scored``: origin ``partition`` has entered ``tick`` before its record ``offset``.

    Every record of the origin below ``offset`` precedes it in each partition of ``mentions.scored``.
    """

    partition: int
    offset: int
    tick: int
    #: ``event``: the watermark; ``end``: the end of a replay; ``clock``: the wall clock, since the origin was quiet.
    cause: Literal["event", "end", "clock"]


class RejectedError(ValueError):
    """A record that cannot be used. ``reason`` is for machines, the message for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a mention may be. Times are event times in microseconds since 1970-01-01 UTC."""

    record_bytes: int = 1_000_000
    text_chars: int = 65_536
    earliest_us: int = 946_684_800_000_000  # 2000-01-01: before it, "social media" is a parse error
    future_us: int = 3_600_000_000


_mention_decoder = msgspec.json.Decoder(Mention)
_control_decoder = msgspec.json.Decoder(EndOfReplay)
_scored_decoder: msgspec.json.Decoder[ScoredMention | Advance] = msgspec.json.Decoder(ScoredMention | Advance)
_encoder = msgspec.json.Encoder()


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@lru_cache(maxsize=16)
def _moment(us: int) -> datetime:
    """The moment of an event time; the last or first there is where it lies beyond."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if us > 0 else datetime.min.replace(tzinfo=UTC)


def tick_of(us: int) -> int:
    """The tick (minutes since 1970-01-01 UTC) that an event time in microseconds falls into."""
    return us // MINUTE_US


def tick_start(tick: int) -> datetime:
    """When a tick begins, UTC."""
    return _EPOCH + timedelta(minutes=tick)


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with a Z, seconds or as fine as the moment has them."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8, so that every language's client can compute it."""
    return zlib.crc32(key.encode()) % partitions


def hashed_author(author: str, source: str, key: bytes) -> str:
    """The keyed hash of an author (BLAKE2b, 64 bits, as 16 hexadecimal digits); one person per source."""
    return blake2b(f"{source}\0{author}".encode(errors="surrogatepass"), digest_size=8, key=key[:64]).hexdigest()


def author_numbers(mentions: Iterable[Mention], key: bytes) -> NDArray[np.uint64]:
    """`int(hashed_author(...), 16)` of each mention's author; an unknown one is `hash64` of the mention's id."""
    fresh = blake2b(digest_size=8, key=key[:64]).copy  # the key is taken in once, not for each
    digests = []
    for one in mentions:
        if one.author:
            digest = fresh()
            digest.update(f"{one.source}\0{one.author}".encode(errors="surrogatepass"))
            digests.append(digest.digest())
        else:
            digests.append(hash64(one.id).to_bytes(8, "big"))
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def hash64(text: str) -> int:
    """An unkeyed 64-bit hash for ids (not for people): BLAKE2b, little-endian."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def decode_mention(value: bytes | None, limits: Limits, *, now_us: int) -> Mention:
    """Decode one mention from raw bytes.

    Parameters
    ----------
    value : bytes or None
        The record as it came.
    limits : Limits
        Size and date limits.
    now_us : int
        The time to compare future dates with, in microseconds: the broker's timestamp of the record, so that the
        verdict depends on the log alone; for a file, the time of reading.

    Raises
    ------
    RejectedError
        With the reason and a message that says what is wrong.
    """
    if value is None or not value or value.isspace():
        raise RejectedError("empty", "the record is empty")
    if len(value) > limits.record_bytes:
        raise RejectedError("too_large", f"the record has {len(value)} bytes; the limit is {limits.record_bytes}")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise RejectedError("not_utf8", f"not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        mention = _mention_decoder.decode(value)
    except msgspec.ValidationError as error:
        raise _why_invalid(error) from None
    except OverflowError as error:
        raise RejectedError("absurd_date", f"created_at: {error}") from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise RejectedError("not_json", f"not JSON: {error}") from None
    return checked_mention(mention, limits, now_us=now_us)


def mention_reader(limits: Limits, *, now_us: int) -> Callable[[bytes], Mention]:
    """`decode_mention` for many records that are read at one time: a good one at half the cost."""
    decode, longest, most = _mention_decoder.decode, limits.record_bytes, limits.text_chars
    earliest, latest = _moment(limits.earliest_us), _moment(now_us + limits.future_us)

    def read(value: bytes) -> Mention:
        if len(value) <= longest:
            try:
                if not value.isascii():
                    value.decode()
                mention = decode(value)
            except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
                return decode_mention(value, limits, now_us=now_us)  # says what is wrong
            text = mention.text
            if 0 < len(text) <= most and not text.isspace() and earliest <= mention.created_at <= latest:
                return mention
        return decode_mention(value, limits, now_us=now_us)

    return read


def lines_reader(limits: Limits, *, now_us: int) -> Callable[[bytes], list[Mention] | None]:
    """`mention_reader` for many lines at once, at two thirds of the cost: their mentions, or None if one is not good.

    Lines that are good but unusual, as with spaces at their ends, may give None as well.
    """
    decode, most = _mention_decoder.decode_lines, limits.text_chars
    earliest, latest = _moment(limits.earliest_us), _moment(now_us + limits.future_us)

    def read(lines: bytes) -> list[Mention] | None:
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n").removesuffix(b"\r")
        # Another end may be that of a blank line, which the decoder does not count.
        if len(lines) > limits.record_bytes or not lines.startswith(b"{") or not lines.endswith(b"}"):
            return None
        try:
            if not lines.isascii():
                lines.decode()
            mentions = decode(lines)
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
            return None
        # The decoder takes two objects in a line, and one over two lines. Between braces no object goes on into another
        # line, and where there are as many objects as lines, there is one in each.
        characters = np.frombuffer(lines, np.uint8)
        ends = np.flatnonzero(characters[:-1] == ord("\n"))
        if not ((characters[ends - 1] == ord("}")) & (characters[ends + 1] == ord("{"))).all():
            return None
        texts = [one.text for one in mentions]
        moments = [one.created_at for one in mentions]
        good = (
            len(mentions) == len(ends) + 1
            and all(texts)
            and max(map(len, texts)) <= most
            and not any(map(str.isspace, texts))
            and earliest <= min(moments)
            and max(moments) <= latest
        )
        return mentions if good else None

    return read


def checked_mention(mention: Mention, limits: Limits, *, now_us: int) -> Mention:
    """Return the mention if its text and date are within the limits; raise `RejectedError` otherwise."""
    if not mention.text or mention.text.isspace():
        raise RejectedError("empty", "the text is empty")
    if len(mention.text) > limits.text_chars:
        raise RejectedError(
            "text_too_long", f"the text has {len(mention.text)} characters; the limit is {limits.text_chars}"
        )
    if mention.created_at < _moment(limits.earliest_us):
        raise RejectedError(
            "absurd_date", f"created_at {mention.created_at.isoformat()} is before the earliest allowed"
        )
    if mention.created_at > _moment(now_us + limits.future_us):
        raise RejectedError("absurd_date", f"created_at {mention.created_at.isoformat()} lies in the future")
    return mention


def _why_invalid(error: msgspec.ValidationError) -> RejectedError:
    message = str(error)
    if "missing required field" in message:
        return RejectedError("missing_field", message)
    if "Invalid RFC3339" in message or "timezone" in message or "datetime" in message:
        return RejectedError("absurd_date", message)
    return RejectedError("wrong_type", message)


def decode_control(value: bytes | None) -> EndOfReplay:
    """Decode a control record of ``mentions``; raises `RejectedError`."""
    try:
        return _control_decoder.decode(value or b"")
    except (msgspec.MsgspecError, ValueError) as error:
        raise RejectedError("wrong_type", f"control record: {error}") from None


def decode_scored(value: bytes) -> ScoredMention | Advance:
    """Decode a record of ``mentions.scored``; only classify writes there, so an error is a `msgspec.MsgspecError`."""
    return _scored_decoder.decode(value)


def encode(record: Mention | EndOfReplay | ScoredMention | Advance) -> bytes:
    """Encode a record; the same record always gives the same bytes."""
    return _encoder.encode(record)


def encode_lines(records: Iterable[Mention]) -> bytes:
    """Encode mentions as JSON lines."""
    return b"".join(_encoder.encode(record) + b"\n" for record in records)
