"""Models served by vLLM in an environment of its own: started, asked with token ids, and ended."""

from handpicked.served.client import Client
from handpicked.served.servers import AUTO, ArmModel, Served, Servers

__all__ = ["AUTO", "ArmModel", "Client", "Served", "Servers"]
