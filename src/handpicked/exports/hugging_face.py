"""Settings that trainers built on transformers share, by the names that transformers has for them."""

from __future__ import annotations

from collections.abc import Mapping

from handpicked.exports.trainer import Job

DEVICES = (
    "On several devices divide gradient_accumulation_steps by their number: the batch size is the product of "
    "both and that number."
)
CUT = "A longer row loses its end, the end-of-text token too, which handpicked's own training puts back."


def batch(job: Job) -> Mapping[str, object]:
    """Rows in a forward pass and passes in a step."""
    return {
        "per_device_train_batch_size": job.micro_batch,
        "gradient_accumulation_steps": job.accumulation,
    }


def schedule(job: Job) -> Mapping[str, object]:
    """Epochs, learning rate and seed. Warm-up is a number of steps: of a share transformers rounds up, and
    its setting for one has come and gone with versions.
    """
    one = job.settings
    return {
        "num_train_epochs": one.epochs,
        "learning_rate": one.peak_rate,
        "lr_scheduler_type": job.scheduler,
        "warmup_steps": job.warmup,
        "weight_decay": one.weight_decay,
        "neftune_noise_alpha": one.neftune_noise,
        "gradient_checkpointing": one.gradient_checkpointing,
        "seed": one.seed,
    }
