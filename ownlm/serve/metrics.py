"""What the gateway counts, for Prometheus. Each application has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Metrics:
    """Counters and histograms of one gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ownlm_requests", "Answers by path and status", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "ownlm_request_seconds",
            "From request to the last byte of the answer",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.first_token = Histogram(
            "ownlm_first_token_seconds",
            "From request to the first piece of text, waiting included",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answers = Counter(
            "ownlm_answers",
            "Answers by model version, protocol and how they ended",
            ["version", "protocol", "outcome"],
            registry=self.registry,
        )
        self.answer_seconds = Histogram(
            "ownlm_answer_seconds",
            "From request to the last piece of text, by model version",
            ["version"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.events = Counter("ownlm_events", "Events of clients by kind", ["kind"], registry=self.registry)
        self.prompt_tokens = Counter("ownlm_prompt_tokens", "Tokens read", registry=self.registry)
        self.generated_tokens = Counter("ownlm_generated_tokens", "Tokens generated", registry=self.registry)
        self.cut_prompts = Counter(
            "ownlm_cut_prompts", "Prompts too long for the model, cut to fit", registry=self.registry
        )
        self.feedback_errors = Counter(
            "ownlm_feedback_errors", "Completions the feedback store did not take", registry=self.registry
        )
        self.hung = Counter("ownlm_hung_generations", "Generations whose engine hangs", registry=self.registry)
        self.refused = Counter(
            "ownlm_refused_requests", "Requests refused before they were looked at", ["code"], registry=self.registry
        )
        self.cancelled = Counter("ownlm_cancelled_requests", "Requests whose client left", registry=self.registry)
        self.in_flight = Gauge("ownlm_requests_in_flight", "Requests not answered yet", registry=self.registry)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Show a number that lives elsewhere."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
