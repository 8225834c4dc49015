"""Any OpenAI-compatible chat endpoint: concurrent, retried, cached, within a budget; called from plain sync
code.

``complete(requests, settings, cache)`` sends what the cache does not hold and gives one Reply a request, in
order.
"""

from handpicked.endpoint.cache import ReplyCache, default_cache, request_key
from handpicked.endpoint.client import Retry, complete
from handpicked.endpoint.cost import Expense, estimate
from handpicked.endpoint.request import Endpoint, Reply, Request, base_url_of, payload

__all__ = [
    "Endpoint",
    "Expense",
    "Reply",
    "ReplyCache",
    "Request",
    "Retry",
    "base_url_of",
    "complete",
    "default_cache",
    "estimate",
    "payload",
    "request_key",
]
