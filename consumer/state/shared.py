"""What the agents of a fleet agree on, in one DynamoDB table: who is alive, who polls which log group, how far.

Belongs here: the protocol on the table. Does not: slots (slots.py builds on this), the calls (table.py).

Every agent has an item with a number, its beat, that it raises three times in a lease. Nobody reads another's clock:
an agent is dead when *we* have seen its beat unchanged for a whole lease, and then its item is deleted, on condition
that the beat is still the one we saw. What belongs to an owner without an item is free. An agent itself counts the
lease from before it wrote its beat, so its own deadline comes first, whatever the network does; it counts on
CLOCK_BOOTTIME, which goes on while the machine sleeps. A beat that arrives late finds its item gone and fails.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping

from consumer.clock import Clock
from consumer.errors import VpcflowError
from consumer.state.cursors import WRITE_SECONDS, Cursors, Kind, Position
from consumer.state.settings import StateSettings
from consumer.state.table import Call, Item, Partition, Value, is_condition_failed, text_of
from consumer.telemetry.logs import get_logger

MARGIN_SECONDS = 1.0
"""Before its deadline an agent already holds nothing: what it does may take a moment."""
GRACE_SECONDS = 5.0
"""A free group waits so long for the agent whose turn it is, so that groups spread over a fleet."""
_BEATS = 3

log = get_logger("state")


def _nobody_hears(_: float) -> None:
    return None


def _nobody_reads(_: str) -> None:
    return None


class SharedState:
    """Implements Positions for one agent of a fleet. Thread-safe; inert until `start`.

    `local` keeps what only this agent knows. `boot_time`: seconds of CLOCK_BOOTTIME. `on_lost` hears once, with the
    reason, that we are no longer known: then nothing of what we held is ours. `on_deadline` hears after each beat until
    when (boot time) it is. `problem`: why the table does not answer; `on_problem` hears when that changes.
    """

    def __init__(
        self,
        call: Call,
        settings: StateSettings,
        local: Cursors,
        name: str,
        clock: Clock,
        boot_time: Callable[[], float],
        on_lost: Callable[[str], None],
        on_deadline: Callable[[float], None] = _nobody_hears,
        on_problem: Callable[[str], None] = _nobody_reads,
    ) -> None:
        self.me = f"{name}/{secrets.token_hex(4)}"
        """This life of the agent: a restart is another one."""
        self._lives = f"{name}/"
        """Our earlier lives are over, for the state folder that holds our name is locked: nobody need wait."""
        self.problem = ""
        self._table = Partition(call, settings.table, settings.fleet)
        self._lease_seconds = settings.lease_seconds
        self._local = local
        self._clock = clock
        self._boot_time = boot_time
        self._on_lost = on_lost
        self._on_deadline = on_deadline
        self._on_problem = on_problem
        self._lock = threading.RLock()
        self._beat = 0
        self._deadline = float("-inf")
        self._items: dict[str, Item] = {}
        self._seen: dict[str, tuple[int, float, bool]] = {}
        """Agent → its beat, since when we see it (boot time), whether it ever moved."""
        self._free_since: dict[str, float] = {}
        self._held: dict[str, Position | None] = {}
        self._unsaved: set[str] = set()
        self._saved_at: dict[str, float] = {}
        self._is_lost = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Make the table where it is missing, enter the fleet, and keep beating. Raises what AWS refuses."""
        self._table.make_table(self._clock, self._stop)
        self.beat()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is not written, give everything free at once, and leave the fleet."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for key in list(self._held):
            self.release(key)
        if self.is_alive():
            self._try(lambda: self._table.delete(f"agent#{self.me}"))
        with self._lock:
            self._deadline = float("-inf")
        self._local.close()

    def is_alive(self) -> bool:
        """Whether what we hold is still ours, by our own clock alone; cheap."""
        return self._boot_time() < self._deadline - MARGIN_SECONDS

    def beat(self) -> None:
        """One beat, and a look at the others. Raises RetryableError and others when the table does not answer."""
        with self._lock:
            asked, beat = self._boot_time(), self._beat
        if beat and asked >= self._deadline:
            self._lose("it did not answer for longer than a lease (a pause, or no way to the table)")
            return
        condition = "#beat = :old" if beat else "attribute_not_exists(#beat)"
        values = {":new": beat + 1, **({":old": beat} if beat else {})}
        try:
            self._table.change(f"agent#{self.me}", "SET #beat = :new", values, condition)
        except VpcflowError as error:
            if not is_condition_failed(error):
                raise
            # A call whose answer was lost is made again, and then fails on what it did itself.
            if _beat_of(self._table.read(f"agent#{self.me}")) != beat + 1:
                self._lose("another agent found it silent and took over")
                return
        with self._lock:
            self._beat += 1
            self._deadline = asked + self._lease_seconds
        self._on_deadline(self._deadline - MARGIN_SECONDS)
        self._look()

    def look(self) -> None:
        """A look at the others between two beats; a table that does not answer is for the next beat to judge."""
        try:
            self._look()
        except VpcflowError as error:
            self._say(str(error))

    def get(self, kind: Kind, key: str) -> Position | None:
        mine = self._local.get(kind, key)
        with self._lock:
            shared = self._held.get(key) if kind == "log_group" else None
        return shared.joined(mine) if shared and mine else shared or mine

    def advance(self, kind: Kind, key: str, position: Position) -> None:
        self._local.advance(kind, key, position)
        if kind != "log_group":
            return
        with self._lock:
            if key not in self._held:
                return  # it is joined when the group becomes ours
            old = self._held[key]
            self._held[key] = old.joined(position) if old else position
            if self._held[key] != old:
                self._unsaved.add(key)
            is_due = self._clock.monotonic() >= self._saved_at.get(key, float("-inf")) + WRITE_SECONDS
        if is_due and key in self._unsaved:
            self._save(key)

    def acquire(self, key: str) -> bool:
        with self._lock:
            if not self.is_alive():
                return False
            if key in self._held:
                return True
            item = self._items.get(f"group#{key}", {})
            owner = text_of(item, "owner")
            if owner and self._is_known(owner):
                self._free_since.pop(key, None)
                return False
            since = self._free_since.setdefault(key, self._boot_time())
            if not self._is_first_choice(key) and self._boot_time() < since + GRACE_SECONDS:
                return False
        answer = self.claim(f"group#{key}", owner)
        if answer is None:
            return False
        with self._lock:
            self._held[key] = _position(answer)
            self._free_since.pop(key, None)
        log.info("log group taken", log_group=key, before=owner or "nobody")
        return True

    def holds(self, key: str) -> bool:
        return key in self._held and self.is_alive()

    def release(self, key: str) -> None:
        self._save(key)
        with self._lock:
            if key not in self._held:
                return
            del self._held[key]
        self._give_back(f"group#{key}")

    def claim(self, name: str, owner: str) -> Item | None:
        """Own an item that belongs to `owner` (empty = nobody); None when somebody was faster or nobody answers."""
        condition = "#owner = :old" if owner else "attribute_not_exists(#owner)"
        values = {":me": self.me, **({":old": owner} if owner else {})}
        try:
            item = self._claimed(name, condition, values)
        except VpcflowError as error:
            self._say(str(error))
            return None
        if text_of(item, "owner") != self.me:
            return None
        with self._lock:
            self._items[name] = item
        return item

    def _claimed(self, name: str, condition: str, values: Mapping[str, Value]) -> Item:
        """The item after the try to own it."""
        try:
            return self._table.changed(name, "SET #owner = :me", values, condition)
        except VpcflowError as error:
            if not is_condition_failed(error):
                raise
            return self._table.read(name)  # somebody else's; or ours, when a call whose answer was lost was made again

    def give_back(self, name: str) -> None:
        """Let an item of ours be free at once."""
        self._give_back(name)

    def owners(self, prefix: str) -> dict[str, str]:
        """Items whose name begins so, each with its owner (empty = nobody), as of the last beat."""
        with self._lock:
            return {name: text_of(item, "owner") for name, item in self._items.items() if name.startswith(prefix)}

    def liveness(self, owner: str) -> bool | None:
        """True: seen beating. False: dead. None: there, but not watched for long enough to know."""
        with self._lock:
            if owner == self.me:
                return True
            if not self._is_known(owner):
                return False
            return True if self._seen[owner][2] else None

    def _run(self) -> None:
        while not self._clock.wait(self._stop, self._lease_seconds / _BEATS):
            try:
                self.beat()
                for key in list(self._unsaved):
                    self._save(key)
                self._say("")
            except VpcflowError as error:
                self._say(str(error))
                if not self.is_alive():
                    self._lose(f"the state table does not answer: {error}")
            except Exception as error:
                # The edge of the thread: an agent that does not beat must end.
                log.exception("the fleet's thread failed")
                self._lose(f"a fault of ours: {error}")
            if self._is_lost:
                return

    def _look(self) -> None:
        """Read the whole fleet, note whose beat moved, and bury the dead."""
        items = self._table.items()
        now = self._boot_time()
        with self._lock:
            self._items = items
            beats = {
                name.removeprefix("agent#"): _beat_of(item) for name, item in items.items() if name.startswith("agent#")
            }
            for agent, beat in beats.items():
                known = self._seen.get(agent)
                if known is None or known[0] != beat:
                    self._seen[agent] = (beat, now, known is not None)
            self._seen = {agent: seen for agent, seen in self._seen.items() if agent in beats}
            dead = [
                (agent, beat)
                for agent, (beat, since, _) in self._seen.items()
                if agent != self.me and (now - since > self._lease_seconds or agent.startswith(self._lives))
            ]
        for agent, beat in dead:
            self._bury(agent, beat)

    def _bury(self, agent: str, beat: int) -> None:
        if self._try(lambda: self._table.delete(f"agent#{agent}", {":seen": beat}, "#beat = :seen")):
            log.warning("an agent of the fleet is silent: what it held is free", agent=agent)
            with self._lock:
                self._seen.pop(agent, None)
                self._items.pop(f"agent#{agent}", None)

    def _is_known(self, agent: str) -> bool:
        return agent == self.me or agent in self._seen

    def _is_first_choice(self, key: str) -> bool:
        """Every agent ranks the living the same way for a group, so they rarely want the same one."""
        return self.me == max([self.me, *self._seen], key=lambda agent: _rank(agent, key))

    def _save(self, key: str) -> None:
        with self._lock:
            position = self._held.get(key)
            if position is None or key not in self._unsaved:
                return
            self._saved_at[key] = self._clock.monotonic()
        values: dict[str, Value] = {
            ":me": self.me,
            ":exported": position.exported_until,
            ":swept": position.swept_until,
        }
        change = "SET #exported_until = :exported, #swept_until = :swept"
        try:
            self._table.change(f"group#{key}", change, values, "#owner = :me")
        except VpcflowError as error:
            if is_condition_failed(error):
                log.warning("log group lost to another agent", log_group=key)
                with self._lock:
                    self._held.pop(key, None)
                    self._unsaved.discard(key)
            else:
                self._say(str(error))
            return
        with self._lock:
            if self._held.get(key) == position:
                self._unsaved.discard(key)

    def _give_back(self, name: str) -> None:
        self._try(lambda: self._table.change(name, "REMOVE #owner", {":me": self.me}, "#owner = :me"))
        with self._lock:
            self._items.get(name, {}).pop("owner", None)

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self._is_lost:
                return
            self._is_lost = True
            self._deadline = float("-inf")
            self._held.clear()
            self._unsaved.clear()
        self._on_lost(reason)

    def _try(self, change: Callable[[], None]) -> bool:
        """Whether it was done; what was not is tried again another time, or does not matter."""
        try:
            change()
        except VpcflowError as error:
            if not is_condition_failed(error):
                self._say(str(error))
            return False
        return True

    def _say(self, problem: str) -> None:
        if problem and not self.problem:
            log.warning("the state table does not answer", reason=problem)
        if problem != self.problem:
            self.problem = problem
            self._on_problem(problem)


def _rank(agent: str, key: str) -> bytes:
    return hashlib.blake2b(f"{agent}|{key}".encode()).digest()


def _beat_of(item: Item) -> int:
    return int(item["beat"]["N"]) if "beat" in item else 0


def _position(item: Item) -> Position | None:
    if "exported_until" not in item:
        return None
    return Position(float(item["exported_until"]["N"]), float(item["swept_until"]["N"]))
