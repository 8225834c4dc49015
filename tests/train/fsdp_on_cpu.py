"""``python tests/train/fsdp_on_cpu.py JOB.json``: as ``python -m handpicked.train``,
with FSDP on CPUs allowed.

Accelerate counts CPUs among no devices that FSDP is for, and does plain DDP there without a word. Only this
decision is changed here; sharding, checkpoints and gathering are the real ones, over gloo.
"""

import os
import sys

from accelerate.state import AcceleratorState, DistributedType, PartialState

_made = AcceleratorState.__init__


def _with_fsdp(self, *arguments, fsdp_plugin=None, **others):
    new = not self._shared_state
    _made(self, *arguments, fsdp_plugin=fsdp_plugin, **others)
    if not new:
        return
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP
        if self._mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self._mixed_precision)
        self.fsdp_plugin = fsdp_plugin


AcceleratorState.__init__ = _with_fsdp

if __name__ == "__main__":
    from handpicked.train.__main__ import main

    main(sys.argv[1:])
