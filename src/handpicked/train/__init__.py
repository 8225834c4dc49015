"""Fine-tuning by TRL, PEFT and Accelerate."""

from handpicked.train.sft import ADAPTER, MERGED, TrainResult, train

__all__ = ["ADAPTER", "MERGED", "TrainResult", "train"]
