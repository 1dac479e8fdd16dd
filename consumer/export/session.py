"""One transport session: sequence numbers, which templates the collector was told, and what was sent last.

Belongs here: the bookkeeping of RFC 7011 §3.1 (sequence), §8 and §8.4 (templates over UDP), pure. Does not: sockets
and waiting. Sequence number = data records (options data records too, template records not) sent before this
message in this session and observation domain, modulo 2³².
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from consumer.export.header import HEADER, HEADERS_BYTES, SEQUENCE_MASK, SET_HEADER, VERSION
from consumer.export.outgoing import Sent, Stretch

REMEMBERED_MESSAGES = 2048
"""At least so many messages are kept for sending again: 18 MB a collector at most (8,900 bytes each) and the
batches they lie in, 0.3 s at 100,000 records/s."""
_HALF = 1 << 31
"""Of two sequence numbers, modulo 2³², the one less than so much ahead is the later one."""
BLIND_SECONDS = 1.0
"""A refusal that does not say what was refused is taken to mean the last second: longer than any sane round trip."""
_FIRST_REFRESH_SECONDS = 1.0
"""Templates are first repeated after 1 s, then at twice the interval each time up to the setting: over UDP the very
first one may be lost, and until the next every record would be unreadable."""


@dataclass(slots=True)
class _Announcement:
    """What the collector was told in one observation domain, and when it must be told again."""

    templates: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Template id → (set id, template record)."""
    is_due: bool = True
    due_at: float = 0.0
    interval: float = _FIRST_REFRESH_SECONDS
    messages_left: int = 0
    untold: deque[bytearray] = field(default_factory=deque)
    """Template messages that wait for their turn."""
    has_news: bool = False
    """`untold` holds what the collector does not know; else it is a refresh."""
    news_at: float = float("-inf")
    """When the collector was last told all that it did not know."""


class Session:
    """Mutable; one collector's, guarded by its lock."""

    def __init__(
        self, message_limit: int, refresh_seconds: float, refresh_messages: int, lead_seconds: float = 0.0
    ) -> None:
        self.message_limit = message_limit
        """No template message is larger where it can be helped; follows the path."""
        self._refresh_seconds = refresh_seconds
        self._refresh_messages = refresh_messages
        self._lead_seconds = lead_seconds
        self._introduced_at = float("-inf")
        """When the collector has had time to take note of this session; -inf: it never heard of it."""
        self._announcements: dict[int, _Announcement] = {}
        self.sequences: dict[int, int] = {}
        self._recent: deque[Sent | Stretch] = deque()
        self._recent_count = 0

    def start_anew(self) -> None:
        """The collector's address changed: another session, numbered from 0, that knows no template."""
        self.sequences.clear()
        self._recent.clear()
        self._recent_count = 0
        self.forget_announcements()

    def forget_announcements(self) -> None:
        """The collector may have been started again: tell it every template before data of its domain."""
        self._introduced_at = float("-inf")
        for announcement in self._announcements.values():
            announcement.is_due = True

    def knows(self, domain: int, templates: Mapping[int, bytes], set_id: int, now: float) -> bool:
        """True when nothing need be said, or waited for, before data of `domain` goes."""
        announcement = self._announcements.get(domain)
        if announcement is None or announcement.is_due or announcement.untold or announcement.messages_left <= 0:
            return False
        if now >= announcement.due_at or self.lead_left(domain, now):
            return False
        known = announcement.templates
        return all(known.get(number) == (set_id, record) for number, record in templates.items())

    def due_templates(
        self, domain: int, templates: Mapping[int, bytes], set_id: int, now: float
    ) -> Iterator[bytearray]:
        """Template messages (not stamped) to send now, before the next data message of `domain`; mostly none.

        All templates of the domain go together when a refresh is due, else those that are new or changed. Asking for
        the next one says that the last one went. Data may go when `lead_left` is 0; until then more may become due:
        the first message of a session goes alone, for goflow2's workers each make room for an exporter they do not
        know yet, and what the first of them had learnt is forgotten.
        """
        announcement = self._announcements.setdefault(domain, _Announcement())
        known = announcement.templates
        wanted = {number: (set_id, record) for number, record in templates.items()}
        fresh = {number: wanted[number] for number in wanted if known.get(number) != wanted[number]}
        known.update(fresh)
        announcement.has_news |= bool(fresh) or announcement.is_due
        if announcement.is_due or now >= announcement.due_at or announcement.messages_left <= 0:
            self._schedule(announcement, now)
            announcement.untold.clear()
            fresh = known
        announcement.untold += template_messages(domain, fresh.values(), self.message_limit)
        while announcement.untold and now >= self._introduced_at:
            yield announcement.untold[0]
            announcement.untold.popleft()
            if self._introduced_at == float("-inf"):
                self._introduced_at = now + self._lead_seconds
            if announcement.has_news and not announcement.untold:
                announcement.has_news = False
                announcement.news_at = now

    def lead_left(self, domain: int, now: float) -> float:
        """Seconds until data of `domain` may follow its templates; 0.0 but right after something new was told.

        A collector that reads messages side by side may read data before the template sent ahead of them, and then
        drops them. A refresh tells nothing new and needs no head start.
        """
        return max(0.0, self._announcements[domain].news_at + self._lead_seconds - now, self._introduced_at - now)

    def _schedule(self, announcement: _Announcement, now: float) -> None:
        if announcement.is_due:
            announcement.interval = _FIRST_REFRESH_SECONDS
        announcement.interval = min(announcement.interval, self._refresh_seconds)
        announcement.due_at = now + announcement.interval
        announcement.interval *= 2
        announcement.messages_left = self._refresh_messages
        announcement.is_due = False

    def allowance(self, domain: int) -> int:
        """Data messages of `domain` that may go before its templates are due by count."""
        return self._announcements[domain].messages_left

    def note_data(self, sent: Sent | Stretch, domain: int, record_count: int) -> None:
        """Data messages of `domain` went, with so many records."""
        self._remember(sent)
        following = (sent.sequence + record_count) & SEQUENCE_MASK
        if self._is_ahead(domain, following):  # else sent again, out of turn
            self.sequences[domain] = following
        self._announcements[domain].messages_left -= sent.message_count

    def note_template(self, sent: Sent) -> None:
        """A template message went; it counts nothing."""
        self._remember(sent)

    def _remember(self, sent: Sent | Stretch) -> None:
        recent = self._recent
        recent.append(sent)
        self._recent_count += sent.message_count
        while self._recent_count - recent[0].message_count >= REMEMBERED_MESSAGES:
            self._recent_count -= recent.popleft().message_count

    def newest_templates(self) -> list[bytearray]:
        """Templates of the domain that spoke last (any, before the first), one message: what a probe sends."""
        newest = self._recent[-1] if self._recent else None
        domain = next(newest.each()).domain if newest else next(iter(self._announcements), None)
        if domain is None:
            return []
        messages = template_messages(domain, self._announcements[domain].templates.values(), self.message_limit)
        return list(islice(messages, 1))

    def rewind(self, heads: Sequence[bytes], now: float) -> list[Sent]:
        """Data messages to send again after a refusal, in order; sequence numbers go back to the first of them.

        `heads`: first bytes of the refused messages, where the kernel had them. Everything sent since the first
        refused one is taken as lost, since nobody listened from then on. They get their old numbers again: what
        nobody received was not sent.
        """
        recent = [sent for entry in self._recent for sent in entry.each()]
        first = _first_named(recent, heads, now)
        if first is None:
            first = len(recent) if self._are_ahead(heads) else 0
        if first == len(recent):
            return []
        self._recent = deque(recent[:first])
        self._recent_count = first
        again = [sent for sent in recent[first:] if sent.record_count]
        for sent in reversed(again):
            self.sequences[sent.domain] = sent.sequence & SEQUENCE_MASK
        return again

    def take_larger(self, room: int, heads: Sequence[bytes], now: float) -> list[Sent]:
        """Data messages to send again, in order, after a router dropped what is above `room` octets.

        `heads` as above. Since the first refused one all larger ones are taken as lost; smaller ones arrived, so each
        keeps its number, and what comes next goes on counting. A template that was lost is due again; if it told
        news, nobody could read the data after it.
        """
        recent = [sent for entry in self._recent for sent in entry.each()]
        first = _first_named(recent, heads, now)
        if first is None:
            return []  # it waits to be sent again already
        unread_domains: set[int] = set()
        kept, again = recent[:first], list[Sent]()
        for sent in recent[first:]:
            is_data = sent.record_count > 0
            if len(sent.message) <= room and not (is_data and sent.domain in unread_domains):
                kept.append(sent)
            elif is_data:
                again.append(sent)
            else:
                announcement = self._announcements[sent.domain]
                announcement.is_due = True
                if announcement.has_news or sent.sent_at <= announcement.news_at:
                    unread_domains.add(sent.domain)
        self._recent, self._recent_count = deque(kept), len(kept)
        return again

    def _are_ahead(self, heads: Sequence[bytes]) -> bool:
        """Refused messages that are not remembered: true when they wait to be sent again already (their numbers are
        not behind us: the refusal of a later message of a burst comes later), else they are older than all we know."""
        return all(self._is_ahead(domain, number) for domain, number, _ in filter(None, map(_identity, heads)))

    def _is_ahead(self, domain: int, number: int) -> bool:
        """Not behind the number of the domain's next message, modulo 2³²."""
        return (number - self.sequences.get(domain, 0)) & SEQUENCE_MASK < _HALF


def _first_named(recent: Sequence[Sent], heads: Sequence[bytes], now: float) -> int | None:
    """Position of the first message that `heads` names; None when none is there. Without heads: of the last second."""
    refused = {key for head in heads if (key := _identity(head)) is not None}
    if not refused:
        since = now - BLIND_SECONDS
        return next((position for position, sent in enumerate(recent) if sent.sent_at >= since), len(recent))
    return next((position for position, sent in enumerate(recent) if _identity(sent.message) in refused), None)


def template_messages(domain: int, templates: Iterable[tuple[int, bytes]], size_limit: int) -> Iterator[bytearray]:
    """Template messages of at most `size_limit` bytes, time and sequence zero; one set a message.

    A template record cannot be divided (RFC 7011 §3.4), so a larger one goes alone, above the limit.
    """
    room = size_limit - HEADERS_BYTES
    waiting: dict[int, bytes] = {}
    for set_id, record in templates:
        ready = waiting.get(set_id, b"")
        if ready and len(ready) + len(record) > room:
            yield _template_message(domain, set_id, ready)
            ready = b""
        waiting[set_id] = ready + record
    for set_id, ready in waiting.items():
        yield _template_message(domain, set_id, ready)


def _template_message(domain: int, set_id: int, records: bytes) -> bytearray:
    length = HEADERS_BYTES + len(records)
    header = HEADER.pack(VERSION, length, 0, 0, domain)
    return bytearray(header + SET_HEADER.pack(set_id, SET_HEADER.size + len(records)) + records)


def _identity(head: bytes | memoryview) -> tuple[int, int, int] | None:
    """(domain, sequence, set id) of a message's first 20 bytes; None when there are fewer."""
    if len(head) < HEADERS_BYTES:
        return None
    _, _, _, sequence, domain = HEADER.unpack_from(head)
    set_id, _ = SET_HEADER.unpack_from(head, HEADER.size)
    return domain, sequence, set_id
