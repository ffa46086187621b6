"""One conversation with the processor: a window, the calls made with it, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lmac.budget import Budget, Refusal
from lmac.context import ContextWindow, TokenMeter, Turn, brief
from lmac.conversation.answers import EMPTY_REPLY, GO_ON, answers_to
from lmac.conversation.calls import UNWORKED, BudgetRefused, Calls
from lmac.errors import ContextOverflow, ModelError
from lmac.journal import Journal
from lmac.messages import Finish, Observation, Reply, Sampling, Usage, sound_text
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol
from lmac.processor.continuation import how_to_go_on, joined

__all__ = ["UNWORKED", "BudgetRefused", "Conversation"]

LEAST_WINDOW_TOKENS = 256
"""A window is never taken for smaller, whatever a server says."""
REFUSED_SHARE = 0.85
"""Of the size that a server refused without saying what it holds: the next guess."""
LARGER_SUMMARY = 4
"""A summary that was cut before its first word, as by a model that reasons first, gets so much more room."""


class Conversation:
    """Holds the window and the turn that is not in it yet, and makes the calls.

    A reply joins the window together with the answers to it, as one turn, when the next call is made. What
    is sent is sound whatever was said: every call answered once under an id of its own, no message empty,
    one speaker after the other, never over the limit.
    """

    def __init__(
        self,
        processor: Processor,
        protocol: ActionProtocol,
        journal: Journal,
        budget: Budget,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._calls = Calls(processor, journal, budget, clock)
        self._protocol = protocol
        self._journal = journal
        self._window = ContextWindow((), limit_tokens=0, reply_tokens=0)
        self._reply: Reply | None = None
        self._observations: list[Observation] = []
        self._notice = ""
        self._held_tokens: int | None = None
        self._guessed = False

    @property
    def budget(self) -> Budget:
        """What was spent, and of how much."""
        return self._calls.budget

    @property
    def refusal(self) -> Refusal | None:
        """The last call that a limit of the budget stood in the way of."""
        return self._calls.refusal

    @property
    def cached_replies(self) -> int:
        """Calls that a response cache answered: they count as calls, and cost nothing."""
        return self._calls.cached_replies

    @property
    def meter(self) -> TokenMeter:
        """How large this server's tokens are, as far as is known."""
        return self._calls.meter

    def open(self, window: ContextWindow) -> None:
        """Begin anew with this window, made no larger than the server is known to hold."""
        prefix = tuple(replace(message, text=sound_text(message.text)) for message in window.prefix)
        self._window = _narrowed(replace(window, prefix=prefix), self._held_tokens).measured()
        self._reply = None
        self._observations.clear()
        self._notice = ""
        self._calls.begin_window()

    def begin_instruction(self, part: float = 1.0) -> None:
        """From here on calls count against a fresh budget of an instruction, too.

        Args:
            part: Its part of what the run has left to spend.
        """
        self._calls.begin_instruction(part)

    def affords(self, calls: int, window: ContextWindow) -> bool:
        """Whether the budget has room for so many calls like one with this window."""
        return self._calls.affords(calls, window.measured())

    def speak(self, protocol: ActionProtocol) -> None:
        """Use another form from the next window on."""
        self._protocol = protocol

    def hear(self, observation: Observation) -> None:
        """Note what came of an action of the last reply."""
        self._observations.append(observation)

    def notice(self, text: str) -> None:
        """Add what the control unit has to say to the next message."""
        text = sound_text(text)
        self._notice = f"{self._notice}\n\n{text}" if self._notice else text

    @property
    def has_notice(self) -> bool:
        """Whether the control unit has something to say with the next call."""
        return bool(self._notice)

    def overflows(self) -> bool:
        """Whether the next call would pass the window's limit, old observations masked if that helps."""
        return self._fitted().overflows(self.meter)

    def ask(self, sampling: Sampling) -> Reply:
        """Make one call with all that was said since the last one.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: the request is too long, by the meter or by the server.
            ModelError: no usable reply came.
        """
        window, reply = self._call_fitting(self._fitted, sampling, "turn")
        self._window = window.counted_as(reply.usage.prompt_tokens)
        self._reply = reply
        self._observations.clear()
        self._notice = ""
        return reply

    def sample(self, sampling: Sampling, hint: str = "") -> Reply | None:
        """Answer once more what the last reply answered; the conversation stays as it is.

        None when the budget does not allow the call, or no usable reply came of it.

        Args:
            hint: Told beside, in a window without turns; the conversation does not hold it.
        """
        window = self._window
        if hint and not window.turns:
            window = _with_notice(window, hint)
        try:
            return self._call(window, sampling, "candidate")
        except (BudgetRefused, ModelError):
            return None

    @property
    def affords_another_sample(self) -> bool:
        """Whether one more call like the last leaves the budget a turn that answers the reply taken."""
        return self._calls.affords_another

    def take(self, reply: Reply) -> None:
        """Go on as if this sample had been the last reply."""
        self._reply = reply
        self._observations.clear()

    def go_on(self, sampling: Sampling) -> Reply | None:
        """One more call for the rest of a file within which the last reply was cut: the whole reply.

        The conversation goes on with that; with the cut one, and None, when the rest does not fit to it.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: the window has no room for the rest.
            ModelError: no usable reply came.
        """
        cut = self._reply
        question = how_to_go_on(cut.text) if cut is not None else None
        if cut is None or question is None:
            return None

        def window() -> ContextWindow:
            return self._window.append(self._turn(cut, question)).shortened(self.meter)

        rest = self._call_fitting(window, sampling, "rest")[1]
        text = joined(cut.text, rest.text)
        self._journal.append("continued", joined=text is not None, finish=rest.finish.value)
        if text is None:
            return None
        usage = replace(cut.usage, reply_tokens=cut.usage.reply_tokens + rest.usage.reply_tokens)
        self._reply = replace(cut, text=text, finish=rest.finish, usage=usage)
        return self._reply

    def forget_oldest(self) -> None:
        """Leave out the oldest turns, as many as must go for the next request to fit."""
        while self._window.turns and self.overflows():
            self._window = self._window.without_oldest(self.meter)

    def summarize(self, question: str, sampling: Sampling) -> str:
        """Ask for a text about this conversation, leaving out its oldest turns if they do not fit.

        "" when none came: asked once more with more room if the first was cut before its first word.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: not even the last turn alone leaves room for the text.
            ModelError: no usable reply came.
        """
        try:
            said, finish = self._summary(question, sampling)
            if not said and finish is Finish.LENGTH:
                larger = replace(sampling, reply_tokens=sampling.reply_tokens * LARGER_SUMMARY)
                said, finish = self._summary(question, larger)
        except (ContextOverflow, BudgetRefused) as error:
            self._journal.append("summary_missing", reason=str(error))
            raise
        if not said:
            self._journal.append("summary_missing", reason=f"an empty reply ({finish.value})")
        return said

    def _summary(self, question: str, sampling: Sampling) -> tuple[str, Finish]:
        def window() -> ContextWindow:
            room = min(sampling.reply_tokens, self._window.limit_tokens // 2)
            asked = self._extended(f"{self._notice}\n\n{question}".strip())
            # A schema is of actions, and this is none.
            return replace(asked, reply_tokens=room, json_schema=None).shortened(self.meter)

        reply = self._call_fitting(window, sampling, "summary")[1]
        return reply.text.strip(), reply.finish

    # The window

    def _fitted(self) -> ContextWindow:
        """The window with the turn at hand; its old observations masked if it is too long otherwise."""
        window = self._extended(self._notice)
        if not window.overflows(self.meter):
            return window
        window, turns = window.masked(self.meter)
        if turns:
            own = len(self._window.turns)
            self._window = replace(window, prefix=self._window.prefix, turns=window.turns[:own]).measured()
            self._journal.append("masked", turns=turns, tokens=window.tokens(self.meter))
        return window

    def _extended(self, notice: str) -> ContextWindow:
        if self._reply is not None:
            return self._window.append(self._turn(self._reply, sound_text(notice)))
        return _with_notice(self._window, notice)

    def _turn(self, reply: Reply, notice: str) -> Turn:
        spoken = self._protocol.spoken(reply)
        if not self._window.tools:
            # A call that nobody offered: a request without tools may hold none.
            spoken = replace(spoken, calls=())
        text = sound_text(spoken.text)
        if not text.strip() and not spoken.calls:
            text = EMPTY_REPLY
        spoken = replace(spoken, text=text)
        heard = answers_to(spoken, self._observations)
        if not heard and not notice:
            notice = GO_ON
        short = [replace(observation, text=brief(observation.text)) for observation in heard]
        return Turn(
            (spoken, *self._protocol.heard(heard, notice)),
            (spoken, *self._protocol.heard(short, brief(notice))),
            reply.usage.reply_tokens,
        )

    def _learn_limit(self, refusal: ContextOverflow, window: ContextWindow) -> None:
        """Take what the server says that it holds; if it says nothing, less than what it refused.

        A guess holds for this window alone until there is a second one: services that are busy may call a
        request too large that they would take later.
        """
        limit = window.limit_tokens
        held = refusal.context_tokens
        if held is None:
            held = int((window.tokens(self.meter) + window.reply_tokens) * REFUSED_SHARE)
        if refusal.prompt_tokens is None:
            self._calls.meter = self.meter.refused()
        else:
            told = Usage(refusal.prompt_tokens)
            self._calls.meter = self.meter.learn(window.size, told, opening=not window.turns)
        if held >= limit:
            return
        held = max(held, LEAST_WINDOW_TOKENS)
        if refusal.context_tokens is not None or self._guessed:
            self._held_tokens = held
        self._guessed = self._guessed or refusal.context_tokens is None
        self._journal.append("window_narrowed", tokens=held, before=limit)
        self._window = _narrowed(self._window, held)

    # Calls

    def _call_fitting(
        self, window_now: Callable[[], ContextWindow], sampling: Sampling, purpose: str
    ) -> tuple[ContextWindow, Reply]:
        """Call with the window; with a smaller one if the server calls it too long and it can be smaller."""
        window = window_now()
        while True:
            try:
                return window, self._call(window, sampling, purpose)
            except ContextOverflow:
                smaller = window_now()
                if smaller.size.weight >= window.size.weight:
                    raise
                window = smaller

    def _call(self, window: ContextWindow, sampling: Sampling, purpose: str) -> Reply:
        if window.overflows(self.meter):
            raise ContextOverflow(
                f"{window.tokens(self.meter)} prompt and {window.reply_tokens} reply tokens do not fit into "
                f"{window.limit_tokens}"
            )
        try:
            return self._calls.make(window, sampling, purpose)
        except ContextOverflow as error:
            self._learn_limit(error, window)
            raise


def _with_notice(window: ContextWindow, notice: str) -> ContextWindow:
    """With the notice at the end of the opening message."""
    if not notice or not window.prefix:
        return window
    *before, last = window.prefix
    # A second message of the user's in a row is one that some chat templates refuse.
    merged = replace(last, text=f"{last.text}\n\n{sound_text(notice)}")
    return replace(window, prefix=(*before, merged), known_size=None, counted=None)


def _narrowed(window: ContextWindow, held_tokens: int | None) -> ContextWindow:
    """No larger than the server is known to hold; the reply gets half of that at most."""
    if held_tokens is None or window.limit_tokens <= held_tokens:
        return window
    reply_tokens = min(window.reply_tokens, held_tokens // 2)
    return replace(window, limit_tokens=held_tokens, reply_tokens=reply_tokens)
