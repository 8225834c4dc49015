"""Fine-tuning, thin over TRL, PEFT and Accelerate."""
