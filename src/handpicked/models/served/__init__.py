"""Models served by vLLM in an environment of its own: started, given token ids, and stopped."""

from handpicked.models.served.client import Client
from handpicked.models.served.servers import AUTO, ArmModel, Served, Servers

__all__ = ["AUTO", "ArmModel", "Client", "Served", "Servers"]
