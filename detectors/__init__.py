"""Statistics on arrays: windows, baseline, score, budget, incidents, and the engine that ties them.

No Kafka, no model, no clock: decisions are a pure function of the mentions.
"""

from detectors.commands import Command
from detectors.config import BrandProfile, EngineConfig
from detectors.detector import Detector, Hour, Told
from detectors.engine import DETECTOR_VERSION, Engine, Levels
from detectors.incidents import Decision
from detectors.observations import KINDS, Observations
from detectors.own_detectors import DetectorError
from detectors.records import StateVersionError
from detectors.view import View

__all__ = [
    "DETECTOR_VERSION",
    "KINDS",
    "BrandProfile",
    "Command",
    "Decision",
    "Detector",
    "DetectorError",
    "Engine",
    "EngineConfig",
    "Hour",
    "Levels",
    "Observations",
    "StateVersionError",
    "Told",
    "View",
]
