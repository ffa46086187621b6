"""Events, places and guests: reference solution of the task `event-planner`."""

from dataclasses import dataclass, field

ANSWERS = ("yes", "no", "maybe")


@dataclass
class Event:
    """One event with the answers of its guests."""

    number: int
    name: str
    start: float
    end: float
    place: str
    guests: dict[str, str] = field(default_factory=dict)
    seats: int | None = None

    def overlaps(self, start: float, end: float) -> bool:
        return self.start < end and start < self.end

    def attending(self) -> list[str]:
        return sorted(guest for guest, answer in self.guests.items() if answer == "yes")


class Planner:
    """All events by their ids."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._last_id = 0

    def add_event(self, name: str, start: float, end: float, place: str = "") -> int:
        """Raises ValueError for a blank name, a wrong time, or a place that is taken."""
        if not name.strip():
            raise ValueError("a name holds more than white space")
        self._demand_room(start, end, place)
        self._last_id += 1
        self._events[self._last_id] = Event(self._last_id, name, start, end, place)
        return self._last_id

    def get(self, event_id: int) -> dict[str, object]:
        event = self._events[event_id]
        return {
            "id": event_id,
            "name": event.name,
            "start": event.start,
            "end": event.end,
            "place": event.place,
        }

    def remove(self, event_id: int) -> None:
        del self._events[event_id]

    def events(self) -> list[int]:
        return sorted(self._events, key=lambda number: (self._events[number].start, number))

    def between(self, start: float, end: float) -> list[int]:
        return [number for number in self.events() if self._events[number].overlaps(start, end)]

    def move(self, event_id: int, start: float, end: float) -> None:
        """Raises ValueError as `add_event` does; nothing changed then."""
        event = self._events[event_id]
        self._demand_room(start, end, event.place, but=event)
        event.start, event.end = start, end

    def invite(self, event_id: int, guest: str) -> None:
        self._events[event_id].guests.setdefault(guest, "invited")

    def guests(self, event_id: int) -> dict[str, str]:
        return dict(self._events[event_id].guests)

    def respond(self, event_id: int, guest: str, answer: str) -> None:
        """Raises KeyError for who was not invited, ValueError for a wrong answer or one seat too many."""
        event = self._events[event_id]
        before = event.guests[guest]
        if answer not in ANSWERS:
            raise ValueError(f"{answer!r} is no answer")
        full = event.seats is not None and len(event.attending()) >= event.seats
        if answer == "yes" and before != "yes" and full:
            raise ValueError("no seat is left")
        event.guests[guest] = answer

    def set_capacity(self, event_id: int, seats: int) -> None:
        self._events[event_id].seats = seats

    def attending(self, event_id: int) -> list[str]:
        return self._events[event_id].attending()

    def is_free(self, guest: str, start: float, end: float) -> bool:
        return not any(event.overlaps(start, end) for event in self._accepted(guest))

    def next_event(self, now: float) -> int | None:
        return next((number for number in self.events() if self._events[number].start >= now), None)

    def total_time(self, guest: str) -> float:
        return sum(event.end - event.start for event in self._accepted(guest))

    def _accepted(self, guest: str) -> list[Event]:
        return [event for event in self._events.values() if event.guests.get(guest) == "yes"]

    def _demand_room(self, start: float, end: float, place: str, but: Event | None = None) -> None:
        if end <= start:
            raise ValueError(f"the end {end} is not after the start {start}")
        others = [event for event in self._events.values() if event is not but]
        if place and any(event.place == place and event.overlaps(start, end) for event in others):
            raise ValueError(f"{place} is taken")
