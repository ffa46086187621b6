"""A run as spans: as OpenTelemetry's GenAI conventions have them, and nothing in them of what was said."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from lmac.cli.log import StderrLog
from lmac.evaluation import Verdict
from lmac.journal import Event, read_blob, read_journal
from lmac.tracing import RunSpans, with_spans
from recorded_run import RecordedRun
from span_receiver import SpanReceiver

RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDING = RECORDINGS / "stack-queue"
KNOWN = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}


def ways_of(folder: Path) -> list[str]:
    spans = spans_of(folder)
    return [way(span, spans) for span in sorted(spans, key=lambda span: span.start_time or 0)]


def spans_of(folder: Path) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = RunSpans(provider.get_tracer("test"), "r1")
    for event in read_journal(folder):
        spans(event)
    spans.end()
    return exporter.get_finished_spans()


def way(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> str:
    by_id = {one.context.span_id: one for one in spans if one.context}
    parent = by_id.get(span.parent.span_id) if span.parent else None
    return f"{way(parent, spans)} > {span.name}" if parent else span.name


def test_a_recorded_run_is_a_tree_of_run_instruction_turn_and_chat() -> None:
    ways = ways_of(RECORDING)
    run, model = "invoke_agent lmac", "chat qwen2.5-coder-1.5b"

    assert ways[0] == run
    assert f"{run} > instruction 1 > turn 1 > {model}" in ways
    assert f"{run} > instruction 1 > turn 2 > {model}" in ways
    assert ways.count(f"{run} > instruction 1 > turn 1 > execute_tool write") == 2
    assert f"{run} > instruction 1 > turn 1 > check tests" in ways
    assert f"{run} > instruction 2 > turn 1 > {model}" in ways
    assert len({span.context.trace_id for span in spans_of(RECORDING) if span.context}) == 1


def test_the_call_for_the_program_comes_before_any_instruction() -> None:
    ways = ways_of(RECORDINGS / "small-greeting")
    first_chat = next(one for one in ways if " > chat " in one)

    assert first_chat == "invoke_agent lmac > turn 1 > chat smollm2-135m"


def test_attributes_are_those_of_the_conventions() -> None:
    spans = spans_of(RECORDING)
    chats = [span for span in spans if span.name.startswith("chat ")]
    named = {name for span in spans for name in span.attributes or {}}

    assert {name for name in named if name.startswith("gen_ai.")} <= KNOWN
    assert {name.split(".")[0] for name in named} <= {"gen_ai", "lmac", "server", "error"}
    for chat in chats:
        told = dict(chat.attributes or {})
        assert chat.kind is SpanKind.CLIENT
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "llama.cpp"
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert told["gen_ai.request.max_tokens"] in (2560, 200)
    first = dict(chats[0].attributes or {})
    assert (first["gen_ai.usage.input_tokens"], first["gen_ai.usage.output_tokens"]) == (984, 688)
    assert chats[0].end_time is not None
    assert chats[0].start_time is not None
    assert chats[0].end_time - chats[0].start_time == pytest.approx(207.44e9, rel=0.01)


def test_no_span_holds_what_was_said() -> None:
    told = "\n".join(span.to_json() for span in spans_of(RECORDING))
    events = list(read_journal(RECORDING))
    said = [read_blob(RECORDING, event.data["text"]).decode() for event in events if event.kind == "reply"]

    assert "Write one Python module" not in told
    assert not any(line in told for text in said for line in text.splitlines() if len(line) > 20)


def test_failures_are_errors_without_the_words_of_a_server(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    run.ask("fine")
    run.observe("made up\x1b[2J " + "x" * 200, {}, "no", ok=False)
    run.judge(tests=Verdict.FAILED)
    run.journal.append("request", purpose="turn", sampling={})
    run.journal.append("retry", error="ModelBusy", text="a secret", wait_seconds=1.0)
    run.journal.append("model_error", error="ModelFault", text="a secret")
    spans = spans_of(run.leave())
    failed = {span.name: span for span in spans if span.status.status_code is StatusCode.ERROR}

    assert failed.keys() == {"execute_tool unreadable", "chat scripted"}
    assert dict(failed["chat scripted"].attributes or {})["error.type"] == "ModelFault"
    assert [event.name for event in failed["chat scripted"].events] == ["retry"]
    assert "secret" not in "".join(span.to_json() for span in spans)
    assert all(span.end_time for span in spans), "a run that was broken off ends its spans"


def test_events_that_nobody_would_write_end_no_run() -> None:
    spans = RunSpans(TracerProvider().get_tracer("test"), "r1")
    for kind in (
        "window",
        "reply",
        "model_error",
        "observation",
        "report",
        "run_closed",
        "run_opened",
        "request",
    ):
        for data in ({}, {"results": [3, {"seconds": 1e300}]}, {"usage": [], "sampling": {"seed": "x"}}):
            spans(Event(1, "never", kind, data))
    spans.end()


def test_spans_go_to_an_otlp_receiver_and_events_on_to_the_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = SpanReceiver()
    heard: list[Event] = []
    events = list(read_journal(RECORDING))
    with receiver.server as server:
        for name, value in (("ENDPOINT", server.address), ("COMPRESSION", "none")):
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
        with with_spans(heard.append, "r1", {"OTEL_EXPORTER_OTLP_ENDPOINT": server.address}) as listener:
            for event in events:
                listener(event)

    assert heard == events
    assert len(receiver.spans()) == len(spans_of(RECORDING))
    assert receiver.services() == {"lmac"}


def test_a_receiver_that_is_not_there_holds_no_run_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    log = StderrLog("warning", "json")
    started = time.monotonic()
    with with_spans(lambda _: None, "r1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as listener:
        for event in read_journal(RECORDING):
            listener(event)
    seconds = time.monotonic() - started
    log.close()

    assert seconds < 15
    assert all(line.startswith("{") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}]
)
def test_without_a_place_for_them_there_are_no_spans(environment: dict[str, str]) -> None:
    heard: list[Event] = []
    with with_spans(heard.append, "r1", environment) as listener:
        assert listener == heard.append


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from lmac.cli.log import StderrLog
from lmac.tracing import with_spans
log = StderrLog("warning")
with with_spans(print, "r1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as listener:
    assert listener is print
"""


def test_without_the_extra_a_run_goes_on_and_says_how_to_get_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, encoding="utf-8", check=True)

    assert "spans_left_out" in done.stderr
    assert "install lmac[otel]" in done.stderr
