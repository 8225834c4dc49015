"""How endpoints and vLLM servers are called: fields that several sections share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from handpicked.config.section import EXECUTION, Strict


class EndpointSettings(Strict):
    """How an OpenAI-compatible endpoint is called: the fields of each section that may call one."""

    base_url: str | None = None
    """OpenAI-compatible endpoint; none: OpenAI's."""
    key_env: Annotated[str, Field(json_schema_extra=EXECUTION)] = "OPENAI_API_KEY"
    """Environment variable that holds the key. The key itself is never written anywhere."""
    concurrency: Annotated[int, Field(gt=0, json_schema_extra=EXECUTION)] = 16
    """The most requests in flight; fewer after a 429."""
    timeout: Annotated[float, Field(gt=0, json_schema_extra=EXECUTION)] = 120.0
    """Seconds a request may take."""
    max_cost: Annotated[float | None, Field(gt=0, json_schema_extra=EXECUTION)] = None
    """US dollars. The work stops before it would spend more; everything paid for is kept."""
    price_in: Annotated[float | None, Field(ge=0, json_schema_extra=EXECUTION)] = None
    """US dollars per million prompt tokens, for the estimate."""
    price_out: Annotated[float | None, Field(ge=0, json_schema_extra=EXECUTION)] = None
    """US dollars per million reply tokens, for the estimate."""


class ServerSettings(Strict):
    """A vLLM server, which has its own environment: the fields of each section that may use one."""

    server: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Where vLLM is: ``auto`` starts it for this work and stops it afterwards; an address such as
    ``http://localhost:8000`` is a server that is already running. None: no server.
    """
    server_python: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """The Python that has vLLM, such as ``~/vllm/bin/python``, for ``server: auto``. None: ``vllm`` on PATH."""
    server_options: tuple[str, ...] = ()
    """Further options of ``vllm serve`` for ``server: auto``, such as ``[--tensor-parallel-size=2]``. Those
    that only say how the work is distributed or how much memory it takes are not part of any fingerprint.
    """
    server_wait: Annotated[float, Field(gt=0, json_schema_extra=EXECUTION)] = 1200.0
    """Seconds that a started server may take to answer."""
