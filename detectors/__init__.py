"""Statistics on arrays: windows, baseline, score, budget, incidents, and the engine that ties them.

No Kafka, no model, no clock: decisions are a pure function of the mentions.
"""

from detectors.config import BrandProfile, EngineConfig
from detectors.engine import DETECTOR_VERSION, Engine, Levels
from detectors.incidents import Decision
from detectors.observations import KINDS, Observations
from detectors.records import StateVersionError

__all__ = [
    "DETECTOR_VERSION",
    "KINDS",
    "BrandProfile",
    "Decision",
    "Engine",
    "EngineConfig",
    "Levels",
    "Observations",
    "StateVersionError",
]
