"""The experiment file as strict models: the type, default and unit of every field.

The line under a field says what it is and in which unit. Unknown fields are mistakes. One file for each part
of an experiment; ``handpicked.experiment.file`` reads the YAML.
"""

from handpicked.config.endpoints import EndpointSettings, ServerSettings
from handpicked.config.evaluating import (
    BenchSettings,
    GenerateSettings,
    JudgeSettings,
    PromptSettings,
    ReferenceSettings,
)
from handpicked.config.experiment import ArmSettings, Experiment, RefineSettings
from handpicked.config.pool import PoolSettings
from handpicked.config.section import EXECUTION, LATER, Strict, result_settings
from handpicked.config.selecting import LEAST_MEMORY, Measure, ScoreSettings, SelectSettings
from handpicked.config.training import BUNDLED_EMBEDDER, BUNDLED_LM, FEW_STEPS, ModelSettings, TrainSettings

__all__ = [
    "BUNDLED_EMBEDDER",
    "BUNDLED_LM",
    "EXECUTION",
    "FEW_STEPS",
    "LATER",
    "LEAST_MEMORY",
    "ArmSettings",
    "BenchSettings",
    "EndpointSettings",
    "Experiment",
    "GenerateSettings",
    "JudgeSettings",
    "Measure",
    "ModelSettings",
    "PoolSettings",
    "PromptSettings",
    "ReferenceSettings",
    "RefineSettings",
    "ScoreSettings",
    "SelectSettings",
    "ServerSettings",
    "Strict",
    "TrainSettings",
    "result_settings",
]
