"""A client for any OpenAI-compatible chat endpoint: concurrent, with retries, a cache and a cost limit.

``complete(requests, settings, cache)`` sends what the cache does not hold and gives one Reply a request, in
order. ``complete_batched`` does the same by batch files, at half the price and within a day.
"""

from handpicked.endpoint.batch import Collected, collect_batch, store_results, submit_batch, write_batch
from handpicked.endpoint.batched import complete_batched, write_batched
from handpicked.endpoint.cache import ReplyCache, default_cache, request_key
from handpicked.endpoint.client import Retry, all_known, complete
from handpicked.endpoint.cost import Budget, Expense, estimate
from handpicked.endpoint.request import Endpoint, Reply, Request, base_url_of, encoded, key_of, payload

__all__ = [
    "Budget",
    "Collected",
    "Endpoint",
    "Expense",
    "Reply",
    "ReplyCache",
    "Request",
    "Retry",
    "all_known",
    "base_url_of",
    "collect_batch",
    "complete",
    "complete_batched",
    "default_cache",
    "encoded",
    "estimate",
    "key_of",
    "payload",
    "request_key",
    "store_results",
    "submit_batch",
    "write_batch",
    "write_batched",
]
